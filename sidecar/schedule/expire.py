"""End the invocations whose deadline has passed, and those that crash whoever touches them."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sidecar.ledger import OpenInvocation
from sidecar.model.messages import error_outcome
from sidecar.model.outcome import Outcome, OutcomeKind, Recorded, Verdict
from sidecar.model.reasons import InvocationReason
from sidecar.model.route import Completion
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Ledger(Protocol):
    """What the duty needs of the ledger."""

    async def expired(self, limit: int) -> Sequence[OpenInvocation]:
        """Return invocations past their deadline, oldest first."""

    async def parked_invocations(self, limit: int) -> Sequence[OpenInvocation]:
        """Return invocations that were taken over too often."""

    async def record(self, outcome: Outcome) -> Recorded:
        """Commit an outcome, unless another one stands."""


class Expire:
    """Offer the outcome that each such invocation gets; a result that comes first wins, as always."""

    def __init__(self, ledger: Ledger, *, batch: int, log: EventLog) -> None:
        self._ledger = ledger
        self._batch = batch
        self._log = log

    async def run_once(self) -> bool:
        """End one batch of each kind; true when there may be more."""
        late = await self._ledger.expired(self._batch)
        parked = await self._ledger.parked_invocations(self._batch)
        ended = await asyncio.gather(
            *[self._end(row, late_outcome(row)) for row in late],
            *[self._end(row, parked_outcome(row)) for row in parked],
        )
        return len(ended) >= self._batch

    async def _end(self, row: OpenInvocation, outcome: Outcome) -> None:
        recorded = await self._ledger.record(outcome)
        if recorded.verdict is not Verdict.WON:
            return  # its result came first, or another replica was faster and has told of it
        told = {"job_id": str(row.job_id), "service": row.service, "route": row.route, "reason": outcome.reason}
        if outcome.outcome is OutcomeKind.DEADLINE:
            self._log.info(Event.DEADLINE_PASSED, **told)
        else:
            self._log.error(Event.WORK_PARKED, **told)


def late_outcome(row: OpenInvocation) -> Outcome:
    """End an invocation at its deadline. What the last attempt was answered with stays its status code."""
    if not row.started:
        reason = InvocationReason.NOT_INVOKED
    elif row.unsure and row.call.completion is Completion.RESPONSE:
        reason = InvocationReason.OUTCOME_UNKNOWN
    else:
        reason = InvocationReason.DEADLINE
    return _outcome(row, OutcomeKind.DEADLINE, reason)


def parked_outcome(row: OpenInvocation) -> Outcome:
    """End an invocation whose handling crashed one worker after the other."""
    return _outcome(row, OutcomeKind.ERROR, InvocationReason.CRASHED_WORKERS)


def _outcome(row: OpenInvocation, kind: OutcomeKind, reason: InvocationReason) -> Outcome:
    return error_outcome(
        job_id=row.job_id,
        correlation_id=row.correlation_id,
        service=row.service,
        outcome=kind,
        reason=reason,
        status_code=row.last_status,
    )
