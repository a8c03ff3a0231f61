"""The span of one call of a service."""

from collections.abc import Sequence

from sidecar.fanout.decide import Decision
from sidecar.model.invocation import Invocation
from sidecar.outbound.requests import Failure, Reply
from sidecar.telemetry.tracing import Tracing, trace_of


def trace_call(
    tracing: Tracing,
    invocation: Invocation,
    headers: Sequence[tuple[str, str]],
    answer: Reply | Failure,
    decision: Decision,
    *,
    seconds: float,
) -> None:
    """Tell a call that is over."""
    reason = getattr(decision, "reason", None)
    tracing.invoked(
        trace_of(headers),
        invocation.traceparent,
        seconds=seconds,
        failed=None if reason is None else str(reason),
        attributes={
            "sidecar.job_id": str(invocation.job_id),
            "sidecar.correlation_id": invocation.correlation_id,
            "sidecar.service": invocation.call.service,
            "sidecar.attempt": invocation.attempts + 1,
            "http.route": invocation.route,
            "http.response.status_code": answer.status if isinstance(answer, Reply) else None,
        },
    )
