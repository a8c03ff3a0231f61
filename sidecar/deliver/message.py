"""What a webhook is sent: pure building of headers."""

from sidecar.deliver.content import Content, Message
from sidecar.model.headers import decode_block
from sidecar.model.outcome import MessageKind
from sidecar.model.trace import child_span


def message_headers(
    message: Message, content: Content, *, timestamp: int, signature: str | None = None
) -> list[tuple[str, str]]:
    """Build the headers of one attempt.

    Args:
        message: The message.
        content: What it is sent as.
        timestamp: Unix seconds of this attempt (Standard Webhooks: ``webhook-timestamp``).
        signature: Of id, timestamp and body; ``None`` where nothing is signed.
    """
    headers = decode_block(content.headers)
    headers += [
        ("x-correlation-id", message.correlation_id),
        ("x-job-id", str(message.job_id)),
        ("x-result-status", message.status),
        ("x-result-kind", content.kind),
        ("x-attempt", str(message.attempts + 1)),
        ("x-services-total", str(message.services_total)),
        ("webhook-id", message.message_id),
        ("webhook-timestamp", str(timestamp)),
    ]
    if message.kind is not MessageKind.AGGREGATE:
        headers.append(("x-service", message.service))
    if signature is not None:
        headers.append(("webhook-signature", signature))
    if message.traceparent:
        headers.append(("traceparent", child_span(message.traceparent)))
    return headers
