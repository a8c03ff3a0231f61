"""What a webhook is sent: pure building of headers."""

from sidecar.model.delivery import Delivery
from sidecar.model.headers import decode_block
from sidecar.model.outcome import MessageKind
from sidecar.model.trace import child_span


def message_headers(delivery: Delivery, *, timestamp: int) -> list[tuple[str, str]]:
    """Build the headers of one attempt.

    Args:
        delivery: The message.
        timestamp: Unix seconds of this attempt (Standard Webhooks: ``webhook-timestamp``).
    """
    headers = decode_block(delivery.headers)
    headers += [
        ("x-correlation-id", delivery.correlation_id),
        ("x-job-id", str(delivery.job_id)),
        ("x-result-status", delivery.status),
        ("x-result-kind", delivery.kind),
        ("x-attempt", str(delivery.attempts + 1)),
        ("x-services-total", str(delivery.services_total)),
        ("webhook-id", delivery.message_id),
        ("webhook-timestamp", str(timestamp)),
    ]
    if delivery.kind is not MessageKind.AGGREGATE:
        headers.append(("x-service", delivery.service))
    if delivery.traceparent:
        headers.append(("traceparent", child_span(delivery.traceparent)))
    return headers
