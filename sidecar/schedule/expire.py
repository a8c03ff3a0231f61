"""End the invocations whose deadline has passed, and those that crash whoever touches them."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sidecar.ledger import OpenInvocation
from sidecar.model.messages import PROBLEM_HEADERS, error_body
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, Recorded, ResultStatus
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
        outcomes = [_late(row) for row in late] + [_parked(row) for row in parked]
        await asyncio.gather(*(self._ledger.record(outcome) for outcome in outcomes))
        for row in late:
            self._log.info(Event.DEADLINE_PASSED, job_id=str(row.job_id), service=row.service, route=row.route)
        for row in parked:
            self._log.error(Event.WORK_PARKED, job_id=str(row.job_id), service=row.service, route=row.route)
        return len(outcomes) >= self._batch


def _late(row: OpenInvocation) -> Outcome:
    """Name the best reason: why the last attempt failed, unless the service took the call or was never tried."""
    if not row.started:
        reason = InvocationReason.NOT_INVOKED
    elif row.unsure and row.call.completion is Completion.RESPONSE:
        reason = InvocationReason.OUTCOME_UNKNOWN
    else:
        reason = InvocationReason.DEADLINE
    return _outcome(row, OutcomeKind.DEADLINE, reason)


def _parked(row: OpenInvocation) -> Outcome:
    return _outcome(row, OutcomeKind.ERROR, InvocationReason.CRASHED_WORKERS)


def _outcome(row: OpenInvocation, kind: OutcomeKind, reason: InvocationReason) -> Outcome:
    return Outcome(
        job_id=row.job_id,
        service=row.service,
        outcome=kind,
        status=ResultStatus.FAILED,
        kind=MessageKind.ERROR,
        headers=PROBLEM_HEADERS,
        body=error_body(
            job_id=row.job_id,
            correlation_id=row.correlation_id,
            service=row.service,
            reason=reason,
            status_code=row.last_status,
        ),
        reason=reason,
        status_code=row.last_status,
    )
