"""The bodies that the sidecar itself writes to a webhook: error messages and aggregates."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson

from sidecar.model.delivery import Part
from sidecar.model.headers import decode_block
from sidecar.model.outcome import Fence, MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.problems import CONTENT_TYPE, TYPE_PREFIX
from sidecar.model.reasons import InvocationReason
from sidecar.model.stored import StoredObject

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
    InvocationReason.STORAGE_UNAVAILABLE: "A large body could not be stored or read in time, because of the sidecar.",
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


def aggregate_body(
    *,
    job_id: UUID,
    correlation_id: str,
    status: str,
    parts: Sequence[Part],
    downloads: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    notice: str | None = None,
) -> bytes:
    """Render the one message of ``gather: all`` from the stored parts, in the order they are given.

    ``notice`` says why all of it was not put to the caller's own upload-url.
    """
    return orjson.dumps(
        {
            "type": "aggregate_result",
            "job_id": str(job_id),
            "correlation_id": correlation_id,
            "status": status,
            **({} if notice is None else {"upload_failed": notice}),
            "results": [part_entry(part, downloads.get(part.service)) for part in parts],
        }
    )


def indirect_body(
    *,
    job_id: UUID,
    correlation_id: str,
    service: str,
    status: str,
    headers: bytes,
    stored: StoredObject,
    link: Mapping[str, str],
    uploaded: bool = False,
    notice: str | None = None,
    inline: bytes | None = None,
) -> bytes:
    """Render an indirect result message: where the body lies, what it must be, and perhaps the body itself.

    Args:
        job_id: The job.
        correlation_id: Its correlation id.
        service: The service, '' for the aggregate.
        status: ``succeeded``, ``failed``, or ``partial`` of an aggregate.
        headers: The body's content headers, as the service sent them.
        stored: The object.
        link: ``url``, ``expires_at`` and ``refresh_url`` of a download, or ``url`` and ``etag`` of an upload.
        uploaded: Whether the body went to the caller's own upload-url.
        notice: Why it did not, when the caller had sent one.
        inline: A small body, to spare the receiver the download.
    """
    described = {name.lower(): value for name, value in decode_block(headers)}
    content_type = described.get("content-type", "application/octet-stream")
    document: dict[str, Any] = {
        "type": "indirect_result",
        "job_id": str(job_id),
        "correlation_id": correlation_id,
        "service": service or None,
        "status": status,
        "content_type": content_type,
        **_described(stored, described.get("content-encoding")),
        "upload" if uploaded else "download": dict(link),
    }
    if notice is not None:
        document["upload_failed"] = notice
    if inline is not None:
        document["inline"] = {"content_type": content_type, "body_base64": b64encode(inline).decode()}
    return orjson.dumps(document)


def part_entry(part: Part, download: Mapping[str, str] | None) -> dict[str, Any]:
    """Describe one service's share of an aggregate, with its body or with the link to it."""
    headers = {name.lower(): value for name, value in decode_block(part.headers)}
    content_type = headers.get("content-type", "application/octet-stream")
    encoding = headers.get("content-encoding")
    entry: dict[str, Any] = {"service": part.service, "status": part.status, "content_type": content_type}
    if encoding is not None:
        entry["content_encoding"] = encoding
    if part.stored is None:
        entry["sha256"] = sha256(part.body).hexdigest()
        return entry | _content(part, content_type, encoded=encoding is not None)
    return entry | _described(StoredObject.load(part.stored), encoding) | {"download": dict(download or {})}


def _described(stored: StoredObject, encoding: str | None) -> dict[str, Any]:
    """Describe a stored body: some clients decode Content-Encoding and some do not, so both digests are told."""
    return {
        "content_encoding": stored.content_encoding or encoding,
        "size": stored.size,
        "sha256": stored.sha256.hex() or None,  # unknown, where a service uploaded it by itself
        "stored_size": stored.stored_size,
        "stored_sha256": stored.stored_sha256.hex() or None,
    }


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
