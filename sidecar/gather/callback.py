"""Read a callback: is it a success or a failure, and which of its headers travel on."""

from collections.abc import Sequence
from uuid import UUID

from sidecar.model.errors import ProblemError
from sidecar.model.failed_when import says_failed
from sidecar.model.headers import content_block, encode_block, media_type
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.problems import CONTENT_TYPE, Problem
from sidecar.model.reasons import InvocationReason
from sidecar.model.route import FailedWhen
from sidecar.model.stored import StoredObject

RESULT_STATUS = b"x-result-status"
RESULT_KIND = b"x-result-kind"


def read_callback(
    job_id: UUID,
    service: str,
    *,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes | StoredObject,
    rule: FailedWhen | None,
) -> Outcome:
    """Turn a callback into an outcome.

    ``x-result-status`` decides; without it the route's ``failed_when``, else ``application/problem+json`` means
    failed. A service that made its own indirect message says ``x-result-kind: indirect``. Of a stored body only the
    headers are known: a rule's JSON pointer finds nothing in it.

    Raises:
        ProblemError: 400 for a status or kind that does not exist.
    """
    block = content_block(headers)
    small = body if isinstance(body, bytes) else b""
    failed = said_failed(headers)
    if failed is None:
        failed = media_type(block) == CONTENT_TYPE or (
            rule is not None and says_failed(rule, status=None, headers=encode_block(headers), body=small)
        )
    kind = MessageKind.ERROR if failed else MessageKind.DIRECT
    if not failed and _values(headers, RESULT_KIND) == [b"indirect"]:
        kind = MessageKind.INDIRECT
    return Outcome(
        job_id=job_id,
        service=service,
        outcome=OutcomeKind.RESULT,
        status=ResultStatus.FAILED if failed else ResultStatus.SUCCEEDED,
        kind=kind,
        headers=block,
        body=small,
        stored=None if isinstance(body, bytes) else body.dump(),
        reason=InvocationReason.SERVICE_FAILED if failed else None,
    )


def said_failed(headers: Sequence[tuple[bytes, bytes]]) -> bool | None:
    """Read ``x-result-status``: did it fail? ``None`` when it is not there.

    Raises:
        ProblemError: 400 for a status that does not exist.
    """
    values = _values(headers, RESULT_STATUS)
    match values:
        case []:
            return None
        case [b"succeeded" | b"uploaded"]:
            return False
        case [b"failed"]:
            return True
        case _:
            detail = "Send x-result-status once, as succeeded, failed or uploaded, or leave it out."
            raise ProblemError(Problem(400, "result_status_invalid", detail))


def says_uploaded(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Tell whether the service put its result to the link that it was offered, and posts no body."""
    return _values(headers, RESULT_STATUS) == [b"uploaded"]


def _values(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    size = len(wanted)  # compared first, since nearly every other name has another
    return [value.strip().lower() for name, value in headers if len(name) == size and name.lower() == wanted]
