"""The ends of an invocation that its own call can bring."""

from sidecar.fanout.decide import Answered
from sidecar.model.invocation import Invocation, Release
from sidecar.model.messages import error_outcome
from sidecar.model.outcome import Fence, Outcome, OutcomeKind, ResultStatus
from sidecar.model.reasons import InvocationReason


def no_result(invocation: Invocation, kind: OutcomeKind, reason: InvocationReason, status: int | None) -> Outcome:
    """Build the refusal or error of an attempt; it counts only while the row is still ours."""
    return error_outcome(
        job_id=invocation.job_id,
        correlation_id=invocation.correlation_id,
        service=invocation.call.service,
        outcome=kind,
        reason=reason,
        status_code=status,
        fence=Fence(invocation.worker, invocation.claim),
    )


def acknowledged_outcome(invocation: Invocation, status: int) -> Outcome:
    """Build the end of a ``completion: none`` call: it was taken, and the webhook hears nothing."""
    return Outcome(
        job_id=invocation.job_id,
        service=invocation.call.service,
        outcome=OutcomeKind.ACKNOWLEDGED,
        status=ResultStatus.SUCCEEDED,
        kind=None,
        headers=b"",
        body=b"",
        status_code=status,
    )


def result_outcome(invocation: Invocation, answer: Answered) -> Outcome:
    """Build the result that a response is, whoever owns the row by now: the first outcome stands."""
    return Outcome(
        job_id=invocation.job_id,
        service=invocation.call.service,
        outcome=OutcomeKind.RESULT,
        status=answer.status,
        kind=answer.kind,
        headers=answer.headers,
        body=answer.body,
        reason=None if answer.status is ResultStatus.SUCCEEDED else InvocationReason.SERVICE_FAILED,
        status_code=answer.status_code,
        stored=None if answer.stored is None else answer.stored.dump(),
    )


def given_back(
    invocation: Invocation,
    *,
    acknowledged: bool = False,
    unsure: bool = False,
    retry_in: float | None = None,
    status: int | None = None,
    reason: InvocationReason | None = None,
    attempted: bool = True,
) -> Release:
    """Build the end of an ownership without an outcome."""
    return Release(
        job_id=invocation.job_id,
        service=invocation.call.service,
        worker=invocation.worker,
        claim=invocation.claim,
        acknowledged=acknowledged,
        unsure=unsure,
        retry_in=retry_in,
        status=status,
        reason=reason,
        attempted=attempted,
    )
