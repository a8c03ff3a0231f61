"""What follows from a service's answer, or from its silence. Pure: nothing here waits, sends or stores."""

from sidecar.kit.value_class import value_class
from sidecar.model.failed_when import says_failed
from sidecar.model.headers import content_block, encode_block
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.reasons import InvocationReason
from sidecar.model.retry_after import retry_after
from sidecar.model.route import Completion, ServiceCall
from sidecar.model.stored import StoredObject
from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.outbound.wso2 import wso2_fault

RETRY_DELAYS = (0.5, 2.0, 8.0, 30.0)
"""Seconds before each further try: short enough for a caller who waits, long enough for a restarting pod."""

MAX_RETRY_AFTER = 60.0
_UNSURE_STATUSES = frozenset({408, 502, 504})
_BUSY_STATUSES = frozenset({429, 503})


@value_class
class Acknowledged:
    """The service took the call."""

    status: int


@value_class
class Answered:
    """The response is the result (completion: response)."""

    status_code: int
    status: ResultStatus
    kind: MessageKind
    headers: bytes
    body: bytes
    stored: StoredObject | None = None


@value_class
class TryAgain:
    """Call once more, ``delay`` seconds from now, with the same idempotency key."""

    delay: float
    unsure: bool
    status: int | None
    reason: InvocationReason


@value_class
class KeepWaiting:
    """No further call, but one may have reached the service: only a callback or the deadline ends it."""

    status: int | None
    reason: InvocationReason


@value_class
class Refused:
    """The service certainly did not take the call."""

    status: int | None
    reason: InvocationReason


@value_class
class GiveUp:
    """Nothing more can be learned: an error of ours goes to the webhook."""

    status: int | None
    reason: InvocationReason


@value_class
class Postponed:
    """The call was not made, for a reason of ours: it counts no attempt."""

    reason: InvocationReason


Decision = Acknowledged | Answered | TryAgain | KeepWaiting | Refused | GiveUp | Postponed


def decide(call: ServiceCall, answer: Reply | Failure, *, attempts: int, unsure: bool) -> Decision:
    """Decide what becomes of an invocation.

    Args:
        call: What was called.
        answer: What came of it.
        attempts: Finished attempts before this one.
        unsure: Whether an earlier attempt may have reached the service.
    """
    if isinstance(answer, Failure):
        return _after_silence(call, answer, attempts=attempts, unsure=unsure)
    status = answer.status
    if status in _UNSURE_STATUSES or wso2_fault(status, answer.body):
        return _after_doubt(call, InvocationReason.GATEWAY_FAULT, status, attempts=attempts)
    if status in _BUSY_STATUSES:
        after = retry_after(answer.headers, longest=MAX_RETRY_AFTER)
        return _after_refusal(call, InvocationReason.BUSY, status, attempts=attempts, unsure=unsure, after=after)
    if call.completion is Completion.RESPONSE:
        if answer.broken is not None:
            return _after_doubt(call, InvocationReason.RESET, status, attempts=attempts)
        return _response(call, answer, unsure=unsure)
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110: successful
        return Acknowledged(status)
    return KeepWaiting(status, InvocationReason.REFUSED) if unsure else Refused(status, InvocationReason.REFUSED)


def not_again(call: ServiceCall) -> Decision:
    """Decide about a call that may have happened and must not happen twice."""
    if call.completion is Completion.RESPONSE:
        return GiveUp(None, InvocationReason.OUTCOME_UNKNOWN)
    return KeepWaiting(None, InvocationReason.RESET)


def unreadable(*, corrupt: bool) -> Decision:
    """Decide about a call whose stored request body could not be read: the service never saw all of it."""
    return GiveUp(None, InvocationReason.INTERNAL) if corrupt else Postponed(InvocationReason.STORAGE_UNAVAILABLE)


def unkept(call: ServiceCall, *, attempts: int) -> Decision:
    """Decide about a response that is a result and could not be stored: the service has done its work."""
    return _after_doubt(call, InvocationReason.STORAGE_UNAVAILABLE, None, attempts=attempts)


def _response(call: ServiceCall, reply: Reply, *, unsure: bool) -> Decision:
    good = 200 <= reply.status < 300  # noqa: PLR2004 - RFC 9110: successful
    if not good and unsure:
        return KeepWaiting(reply.status, InvocationReason.REFUSED)
    if reply.truncated:
        return GiveUp(reply.status, InvocationReason.RESPONSE_TOO_LARGE)
    if call.failed_when is not None:
        block = encode_block(reply.headers)
        good = good and not says_failed(call.failed_when, status=reply.status, headers=block, body=reply.body)
    return Answered(
        status_code=reply.status,
        status=ResultStatus.SUCCEEDED if good else ResultStatus.FAILED,
        kind=MessageKind.DIRECT if good else MessageKind.ERROR,
        headers=content_block(reply.headers),
        body=reply.body,
        stored=reply.stored,
    )


def _after_silence(call: ServiceCall, failure: Failure, *, attempts: int, unsure: bool) -> Decision:
    if not failure.sent:
        return _after_refusal(call, InvocationReason.UNREACHABLE, None, attempts=attempts, unsure=unsure, after=0.0)
    timed_out = failure.kind is FailureKind.TIMEOUT
    reason = InvocationReason.ACK_TIMEOUT if timed_out else InvocationReason.RESET
    return _after_doubt(call, reason, None, attempts=attempts)


def _after_doubt(call: ServiceCall, reason: InvocationReason, status: int | None, *, attempts: int) -> Decision:
    """The attempt may have reached the service: from now on no refusal closes the invocation."""
    if not call.repeat:
        if call.completion is Completion.RESPONSE:
            return GiveUp(status, InvocationReason.OUTCOME_UNKNOWN)
        return KeepWaiting(status, reason)
    delay = _next_delay(call, attempts)
    return KeepWaiting(status, reason) if delay is None else TryAgain(delay, unsure=True, status=status, reason=reason)


def _after_refusal(
    call: ServiceCall, reason: InvocationReason, status: int | None, *, attempts: int, unsure: bool, after: float
) -> Decision:
    """The attempt certainly did not start the work."""
    delay = _next_delay(call, attempts)
    if delay is not None:
        return TryAgain(max(delay, after), unsure=False, status=status, reason=reason)
    return KeepWaiting(status, reason) if unsure else Refused(status, reason)


def _next_delay(call: ServiceCall, attempts: int) -> float | None:
    if not call.retry or attempts >= len(RETRY_DELAYS):
        return None
    return RETRY_DELAYS[attempts]
