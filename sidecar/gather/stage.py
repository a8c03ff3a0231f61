"""The stage that turns a callback into the one outcome of its invocation."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from sidecar.gather.callback import read_callback, said_failed, says_uploaded
from sidecar.gather.large import NOT_OFFERED, Arrival, Compared, Comparison, LargeCallbacks
from sidecar.model.callback_token import CallbackTokens, TokenKind
from sidecar.model.errors import LedgerRejected, NotStored, ProblemError
from sidecar.model.outcome import Outcome, Recorded, Verdict, stored_digest
from sidecar.model.problems import Problem
from sidecar.model.route import FailedWhen, ServiceCall
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing

UNKNOWN = Problem(404, "callback_unknown", "Check the callback-url that the service was given; repeating cannot help.")
UNSTORED = Problem(
    503, "database_unavailable", "The callback was not stored; repeat the same bytes.", {"retry-after": "2"}
)

BODY_BESIDE_UPLOAD = Problem(
    400, "result_status_invalid", "With x-result-status: uploaded send no body: the result is what was uploaded."
)
UNKEPT = Problem(
    503, "storage_unavailable", "The callback was not stored; repeat the same bytes.", {"retry-after": "5"}
)


FINAL = frozenset({Verdict.WON, Verdict.SAME, Verdict.OTHER, Verdict.EXPIRED})
"""After these nobody needs what was uploaded. An unknown job is not asked about once more, see ``forgotten``."""


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    async def record(self, outcome: Outcome) -> Recorded:
        """Commit an outcome, unless another one stands."""

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        """Return what the job keeps of its route for one service."""


class Gather:
    """Accept callbacks: any replica takes any of them, and the first outcome stands."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        parse_id: Callable[[str], UUID] = UUID,
        tokens: CallbackTokens,
        log: EventLog,
        metrics: Metrics,
        forgotten: Callable[[UUID], bool] = lambda _: False,
        large: LargeCallbacks | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._ledger = ledger
        self._large = large
        self._parse_id = parse_id
        self._tokens = tokens
        self._log = log
        self._metrics = metrics
        self._forgotten = forgotten
        self._tracing = tracing

    def authenticate(self, job: str, service: str, token: str) -> tuple[UUID, TokenKind]:
        """Check the address of a callback before its body is read.

        Raises:
            ProblemError: 404, alike for a malformed job, an unknown service and a wrong token.
        """
        try:
            job_id = self._parse_id(job)
        except ValueError:
            raise self._refused(None, "no such job id") from None
        kind = self._tokens.check(job_id, service, token) if str(job_id) == job else None
        if kind is None:
            raise self._refused(job_id, "wrong token")
        return job_id, kind

    def _refused(self, job_id: UUID | None, reason: str) -> ProblemError:
        """Tell of a callback that cannot belong to a job, in the log only: who asks must not learn why."""
        self._log.warning(Event.CALLBACK_REFUSED, job_id=None if job_id is None else str(job_id), reason=reason)
        return ProblemError(UNKNOWN)

    @property
    def takes_large(self) -> bool:
        """Whether bodies above the threshold have a place to go."""
        return self._large is not None

    async def begin(self, job_id: UUID, service: str, headers: Sequence[tuple[bytes, bytes]]) -> Arrival | Comparison:
        """Begin to take in a large callback, unless what stands already makes it pointless to read.

        Raises:
            ProblemError: 404, 409 or 410, after which repeating cannot help; 400 for unusable headers; 503.
            LedgerUnavailable: Nobody knows; the service repeats the same bytes.
        """
        said_failed(headers)
        if self._large is None or says_uploaded(headers):
            raise ProblemError(BODY_BESIDE_UPLOAD)
        try:
            begun = await self._large.begin(job_id, service, headers=headers)
        except OffloadError as error:
            raise self.unkept(job_id, error) from error
        if isinstance(begun, Recorded):
            self._metrics.callback_received(begun.verdict)
            self._log.info(Event.CALLBACK_RECEIVED, job_id=str(job_id), service=service, verdict=begun.verdict)
            raise ProblemError(problem_of(begun) or UNSTORED)
        return begun

    def unkept(self, job_id: UUID, error: OffloadError) -> ProblemError:
        """Tell of a large body that could not be stored; the answer that says so."""
        self._log.warning(Event.STORE_UNAVAILABLE, stage="gather", job_id=str(job_id), error=str(error))
        return ProblemError(UNKEPT)

    async def receive(
        self,
        job_id: UUID,
        service: str,
        *,
        kind: TokenKind,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | StoredObject | Compared,
        token: str = "",
    ) -> None:
        """Store a callback. When this returns it is durable.

        Args:
            job_id: The job.
            service: The service.
            kind: The kind of its token.
            headers: The callback's raw headers.
            body: Its body, the object that it was stored as, or its comparison with the result that stands.
            token: The token of its address.

        Raises:
            ProblemError: 404, 409 or 410, after which repeating cannot help; 400 for unusable headers; 503 when the
                object store is away.
            LedgerUnavailable: It was not stored, or nobody knows; the service repeats the same bytes.
        """
        began = time.monotonic()
        rule = await self._rule(job_id, service, body) if kind is TokenKind.RULED else None
        uploaded = isinstance(body, bytes) and says_uploaded(headers)
        if uploaded and isinstance(body, bytes):
            body = await self._adopt(job_id, service, token=token, body=body)
        if isinstance(body, Compared):
            outcome = read_callback(job_id, service, headers=headers, body=b"", rule=rule)
            recorded = _compare(outcome, body)
        else:
            outcome = read_callback(job_id, service, headers=headers, body=body, rule=rule)
            recorded = await self._record(outcome, body)
        self._told(outcome, recorded, size=len(body) if isinstance(body, bytes) else body.size)
        if recorded.route is not None and self._tracing is not None:
            self._trace(outcome, recorded, headers, seconds=time.monotonic() - began)
        if uploaded and self._large is not None and isinstance(body, StoredObject) and recorded.verdict in FINAL:
            await self._large.drop_offered(job_id, service, token=token)
        if (problem := problem_of(recorded)) is not None:
            raise ProblemError(problem)

    def _told(self, outcome: Outcome, recorded: Recorded, *, size: int) -> None:
        self._metrics.callback_received(recorded.verdict)
        if recorded.route is not None:
            self._metrics.callback_waited(recorded.route, outcome.service, recorded.waited)
        self._log.info(
            Event.CALLBACK_RECEIVED,
            job_id=str(outcome.job_id),
            service=outcome.service,
            status=outcome.status,
            size=size,
            verdict=recorded.verdict,
        )

    def _trace(
        self, outcome: Outcome, recorded: Recorded, headers: Sequence[tuple[bytes, bytes]], *, seconds: float
    ) -> None:
        sent = [value for name, value in headers if name.lower() == b"traceparent"]
        if self._tracing is not None:
            self._tracing.called_back(
                recorded.traceparent,
                sent[0].decode("latin-1").strip() if len(sent) == 1 else None,
                seconds=seconds,
                attributes={
                    "sidecar.job_id": str(outcome.job_id),
                    "sidecar.service": outcome.service,
                    "sidecar.result_status": outcome.status,
                    "http.route": recorded.route,
                },
            )

    async def _record(self, outcome: Outcome, body: bytes | StoredObject) -> Recorded:
        try:
            if self._forgotten(outcome.job_id):  # statements on a day that is being removed might wait
                recorded = Recorded(Verdict.UNKNOWN)
            else:
                recorded = await self._ledger.record(outcome)
        except (LedgerRejected, NotStored) as error:
            await self._drop(body)
            if isinstance(error, NotStored):
                raise
            raise self._refused(outcome.job_id, str(error)) from None
        if self._large is not None and not isinstance(body, bytes):
            await self._large.drop_loser(outcome.job_id, outcome.service, stored=body, recorded=recorded)
        return recorded

    async def _drop(self, body: bytes | StoredObject | Compared) -> None:
        """Remove a stored body of a callback that was certainly not recorded."""
        if self._large is not None and isinstance(body, StoredObject):
            await self._large.drop(body)

    async def _adopt(self, job_id: UUID, service: str, *, token: str, body: bytes) -> StoredObject | Compared:
        if self._large is None:
            raise ProblemError(NOT_OFFERED)
        if body:
            raise ProblemError(BODY_BESIDE_UPLOAD)
        try:
            return await self._large.adopt(job_id, service, token=token)
        except OffloadError as error:
            raise self.unkept(job_id, error) from error

    async def _rule(self, job_id: UUID, service: str, body: bytes | StoredObject | Compared) -> FailedWhen | None:
        try:
            call = await self._ledger.service_call(job_id, service)
        except BaseException:  # cancellation too: nobody else knows what was stored
            await self._drop(body)
            raise
        if call is None:
            await self._drop(body)
            raise self._refused(job_id, "job unknown")
        return call.failed_when


def _compare(outcome: Outcome, compared: Compared) -> Recorded:
    standing = compared.standing
    same = standing.digest == stored_digest(outcome.status, compared.sha256)
    return replace(standing, verdict=Verdict.SAME) if same else standing


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
