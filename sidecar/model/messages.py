"""The bodies that the sidecar itself writes to a webhook: error messages and aggregates."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from sidecar.model.delivery import Part
from sidecar.model.headers import decode_block
from sidecar.model.outcome import Fence, MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.problems import CONTENT_TYPE, TYPE_PREFIX
from sidecar.model.reasons import InvocationReason

PROBLEM_HEADERS = b"content-type: " + CONTENT_TYPE.encode()
JSON_HEADERS = b"content-type: application/json"

_SENTENCES = {
    InvocationReason.REFUSED: "The service refused the request.",
    InvocationReason.UNREACHABLE: "No connection to the service could be made.",
    InvocationReason.BUSY: "The service was too busy, also when asked again.",
    InvocationReason.ACK_TIMEOUT: "The service did not answer in time.",
    InvocationReason.RESET: "The connection to the service broke before it answered.",
    InvocationReason.GATEWAY_FAULT: "A gateway in front of the service could not reach it.",
    InvocationReason.DEADLINE: "The service did not deliver a result before the deadline.",
    InvocationReason.NOT_INVOKED: "The deadline passed before the service could be called.",
    InvocationReason.OUTCOME_UNKNOWN: "The service may have done the work, and must not be called twice.",
    InvocationReason.CRASHED_WORKERS: "Handling this call failed repeatedly; it was parked.",
    InvocationReason.RESPONSE_TOO_LARGE: "The service's response is larger than the sidecar takes.",
    InvocationReason.SERVICE_FAILED: "The service reported a failure.",
    InvocationReason.CANCELLED: "The job was cancelled.",
    InvocationReason.INTERNAL: "The sidecar failed while calling the service.",
}


def error_body(
    *, job_id: UUID, correlation_id: str, service: str, reason: InvocationReason, status_code: int | None
) -> bytes:
    """Render the problem document that tells a webhook why one service yields no result (RFC 9457)."""
    return orjson.dumps(
        {
            "type": f"{TYPE_PREFIX}service_{reason}",
            "title": "A service yielded no result",
            "detail": _SENTENCES[reason],
            "code": f"service_{reason}",
            "reason": reason,
            "service": service,
            "service_status": status_code,
            "job_id": str(job_id),
            "correlation_id": correlation_id,
        }
    )


def error_outcome(
    *,
    job_id: UUID,
    correlation_id: str,
    service: str,
    outcome: OutcomeKind,
    reason: InvocationReason,
    status_code: int | None,
    fence: Fence | None = None,
) -> Outcome:
    """Build the end of an invocation that yields no result, with the message that tells the webhook why."""
    return Outcome(
        job_id=job_id,
        service=service,
        outcome=outcome,
        status=ResultStatus.FAILED,
        kind=MessageKind.ERROR,
        headers=PROBLEM_HEADERS,
        body=error_body(
            job_id=job_id, correlation_id=correlation_id, service=service, reason=reason, status_code=status_code
        ),
        reason=reason,
        status_code=status_code,
        fence=fence,
    )


def aggregate_body(*, job_id: UUID, correlation_id: str, status: str, parts: Sequence[Part]) -> bytes:
    """Render the one message of ``gather: all`` from the stored parts, in the order of the route."""
    return orjson.dumps(
        {
            "type": "aggregate_result",
            "job_id": str(job_id),
            "correlation_id": correlation_id,
            "status": status,
            "results": [_part(part) for part in parts],
        }
    )


def _part(part: Part) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in decode_block(part.headers)}
    content_type = headers.get("content-type", "application/octet-stream")
    entry: dict[str, Any] = {
        "service": part.service,
        "status": part.status,
        "content_type": content_type,
        "sha256": sha256(part.body).hexdigest(),
    }
    encoding = headers.get("content-encoding")
    if encoding is not None:
        entry["content_encoding"] = encoding
    entry.update(_content(part, content_type, encoded=encoding is not None))
    return entry


def _content(part: Part, content_type: str, *, encoded: bool) -> dict[str, Any]:
    media = content_type.partition(";")[0].strip().lower()
    if not encoded and (media == "application/json" or media.endswith("+json")):
        try:
            name = "problem" if media == CONTENT_TYPE else "body"
            orjson.loads(part.body)
        except orjson.JSONDecodeError:
            pass  # it says JSON and is not: pass it on as the bytes it is
        else:
            return {name: orjson.Fragment(part.body)}  # as it was written: numbers keep their digits
    return {"body_base64": b64encode(part.body).decode()}
