"""The stage that turns a callback into the one outcome of its invocation."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sidecar.gather.callback import read_callback
from sidecar.model.callback_token import CallbackTokens, TokenKind
from sidecar.model.errors import LedgerRejected, ProblemError
from sidecar.model.outcome import Outcome, Recorded, Verdict
from sidecar.model.problems import Problem
from sidecar.model.route import FailedWhen, ServiceCall
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

UNKNOWN = Problem(404, "callback_unknown", "Check the callback-url that the service was given; repeating cannot help.")
UNSTORED = Problem(
    503, "database_unavailable", "The callback was not stored; repeat the same bytes.", {"retry-after": "2"}
)


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    async def record(self, outcome: Outcome) -> Recorded:
        """Commit an outcome, unless another one stands."""

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        """Return what the job keeps of its route for one service."""


class Gather:
    """Accept callbacks: any replica takes any of them, and the first outcome stands."""

    def __init__(self, *, ledger: Ledger, tokens: CallbackTokens, log: EventLog, metrics: Metrics) -> None:
        self._ledger = ledger
        self._tokens = tokens
        self._log = log
        self._metrics = metrics

    def authenticate(self, job: str, service: str, token: str) -> tuple[UUID, TokenKind]:
        """Check the address of a callback before its body is read.

        Raises:
            ProblemError: 404, alike for a malformed job, an unknown service and a wrong token.
        """
        try:
            job_id = UUID(job)
        except ValueError:
            raise ProblemError(UNKNOWN) from None
        kind = self._tokens.check(job_id, service, token) if str(job_id) == job else None
        if kind is None:
            raise ProblemError(UNKNOWN)
        return job_id, kind

    async def receive(
        self,
        job_id: UUID,
        service: str,
        *,
        kind: TokenKind,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Store a callback. When this returns it is durable.

        Raises:
            ProblemError: 404, 409 or 410, after which repeating cannot help; 400 for unusable headers.
            LedgerUnavailable: It was not stored, or nobody knows; the service repeats the same bytes.
        """
        rule = await self._rule(job_id, service) if kind is TokenKind.RULED else None
        outcome = read_callback(job_id, service, headers=headers, body=body, rule=rule)
        try:
            recorded = await self._ledger.record(outcome)
        except LedgerRejected:
            raise ProblemError(UNKNOWN) from None  # a job id outside of every partition
        self._metrics.callback_received(recorded.verdict)
        self._log.info(
            Event.CALLBACK_RECEIVED,
            job_id=str(job_id),
            service=service,
            status=outcome.status,
            size=len(body),
            verdict=recorded.verdict,
        )
        if (problem := problem_of(recorded)) is not None:
            raise ProblemError(problem)

    async def _rule(self, job_id: UUID, service: str) -> FailedWhen | None:
        call = await self._ledger.service_call(job_id, service)
        if call is None:
            raise ProblemError(UNKNOWN)
        return call.failed_when


def problem_of(recorded: Recorded) -> Problem | None:
    """Tell a service why its callback changes nothing; ``None`` when it is stored, now or before."""
    match recorded.verdict:
        case Verdict.WON | Verdict.SAME:
            return None
        case Verdict.EXPIRED:
            return Problem(410, "callback_too_late", "The deadline ended this invocation; repeating cannot help.")
        case Verdict.UNKNOWN:
            return UNKNOWN
        case Verdict.FENCED:  # it did not count and nothing else stands: only repeating can save the result
            return UNSTORED
        case _:
            since = recorded.since.isoformat() if recorded.since else None
            detail = "This invocation has ended differently; repeating cannot help."
            extra = {"outcome": recorded.standing, "since": since}
            return Problem(409, "callback_conflict", detail, extra=extra)
