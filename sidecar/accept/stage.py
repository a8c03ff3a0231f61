"""The stage that takes requests in. Nothing is answered 202 before it is committed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sidecar.accept.answer import Answer, ServiceAnswer, accepted_answer, replayed_answer
from sidecar.accept.request import AcceptRequest, fingerprint, key_scope
from sidecar.accept.waiting import Wait, WaitingCallers
from sidecar.kit.background import Background
from sidecar.model.endpoint import EndpointRule
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, ProblemError
from sidecar.model.job import IdempotencyKey, JobView, KeyTaken, NewJob, Stored
from sidecar.model.outcome import Outcome, Recorded
from sidecar.model.problems import Problem
from sidecar.model.route import Completion, ServiceCall
from sidecar.settings.route_table import Match
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    def new_job_id(self) -> UUID:
        """Make an id from the database's clock."""

    async def accept(self, job: NewJob) -> Stored | KeyTaken:
        """Commit a job, unless its idempotency key is taken."""

    async def refuse_all(self, job_id: UUID, *, services: int) -> bool:
        """Close a job that every service refused, all or nothing."""

    async def record(self, outcome: Outcome) -> Recorded:
        """Commit an outcome, unless another one stands."""

    async def job(self, job_id: UUID) -> JobView | None:
        """Return what is known of a job."""


class Room(Protocol):
    """Where calls are going to be made."""

    def has_room(self, service_key: str, size: int) -> bool:
        """Tell whether this process should own one more call."""


class Holds(Protocol):
    """Where messages wait for the answer to be written."""

    def hold(self, job_id: UUID) -> None:
        """Begin to hold."""

    def open(self, job_id: UUID) -> None:
        """Let go."""


@dataclass(frozen=True, slots=True)
class AcceptLimits:
    """``commit_timeout`` and ``idempotency_ttl`` are seconds."""

    commit_timeout: float
    idempotency_ttl: float
    public_url: str


@dataclass(slots=True)
class Accepted:
    """An answer, and what must follow once it was written or could not be."""

    answer: Answer
    job_id: UUID
    refusals: Sequence[Outcome] = ()
    silent: bool = False  # a 502: the webhook hears nothing if it was written
    first: bool = True  # False on replays, which have nothing to settle


class Acceptor:
    """Store requests and answer them."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        room: Room,
        holds: Holds,
        callers: WaitingCallers,
        endpoints: EndpointRule,
        limits: AcceptLimits,
        background: Background,
        log: EventLog,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._room = room
        self._holds = holds
        self._callers = callers
        self._endpoints = endpoints
        self._limits = limits
        self._background = background
        self._log = log
        self._metrics = metrics
        self._storing: set[tuple[str, str]] = set()

    async def accept(self, request: AcceptRequest, match: Match, *, method: str, target: str, body: bytes) -> Accepted:
        """Store a request and wait, as long as the caller likes, for its services to take it.

        Raises:
            ProblemError: 409 or 422 for the idempotency key, 400 for values that the database refuses.
            LedgerUnavailable: Nothing was stored, or nobody knows.
        """
        job = self._new_job(request, match, method=method, target=target, body=body)
        wait = self._callers.begin(job.job_id, _who_can_answer(job))
        self._holds.hold(job.job_id)
        try:
            stored = await self._store(job)
            if isinstance(stored, Stored):
                await self._callers.until_heard(job.job_id, request.preference.wait)
        except BaseException:
            self._forget(job.job_id, wait)
            raise
        self._callers.end(job.job_id)
        if isinstance(stored, KeyTaken):
            self._holds.open(job.job_id)
            return await self._replay(stored, job, request)
        return self._answered(job, stored, wait, request)

    def settle(self, accepted: Accepted, *, written: bool) -> None:
        """Do what must follow the answer: let the messages go, and commit refusals."""
        if not accepted.first:
            return
        if accepted.refusals:
            self._background.spawn(self._commit_refusals(accepted, written=written))
        self._holds.open(accepted.job_id)

    def _new_job(self, request: AcceptRequest, match: Match, *, method: str, target: str, body: bytes) -> NewJob:
        key = None
        if request.idempotency_key is not None:
            key = IdempotencyKey(
                scope=key_scope(application=request.caller.application, method=method, path=target.partition("?")[0]),
                key=request.idempotency_key,
                fingerprint=fingerprint(callback_url=request.callback.text, target=target, body=body),
                ttl=self._limits.idempotency_ttl,
            )
        return NewJob(
            job_id=self._ledger.new_job_id(),
            correlation_id=request.correlation_id,
            application=request.caller.application,
            route=match.route.path,
            method=method,
            callback_url=request.callback.text,
            endpoint=self._endpoints.endpoint_of(request.callback),
            gather=match.route.gather,
            deadline=match.route.deadline,
            headers=request.headers,
            body=body,
            traceparent=request.traceparent,
            links_base=self._limits.public_url + request.caller.context,
            calls=match.calls,
            owned=tuple(self._room.has_room(call.service_key, len(body)) for call in match.calls),
            idempotency=key,
        )

    async def _store(self, job: NewJob) -> Stored | KeyTaken:
        key = (job.idempotency.scope, job.idempotency.key) if job.idempotency else None
        if key is not None:
            if key in self._storing:
                detail = "The first request with this idempotency-key is being stored; repeat this one in a second."
                raise ProblemError(Problem(409, "idempotency_key_in_progress", detail, headers={"retry-after": "1"}))
            self._storing.add(key)
        try:
            async with asyncio.timeout(self._limits.commit_timeout):
                return await self._ledger.accept(job)
        except TimeoutError:
            raise LedgerUnavailable("the commit took too long; it may still happen") from None
        except LedgerRejected as error:
            detail = "The database cannot store a value of this request; it may hold characters that no text has."
            raise ProblemError(Problem(400, "header_invalid", detail)) from error
        finally:
            if key is not None:
                self._storing.discard(key)

    def _answered(self, job: NewJob, stored: Stored, wait: Wait, request: AcceptRequest) -> Accepted:
        refusals = [wait.refusals[call.service] for call in job.calls if call.service in wait.refusals]
        if len(refusals) == len(job.calls):
            return Accepted(_all_refused(job, refusals), job.job_id, refusals, silent=True)
        services = [_service_answer(call, wait) for call in job.calls]
        answer = accepted_answer(
            job_id=job.job_id,
            correlation_id=job.correlation_id,
            services=services,
            created_at=stored.created_at,
            deadline_at=stored.deadline_at,
            links_base=job.links_base,
            applied=request.preference.applied,
        )
        self._log.info(
            Event.JOB_ACCEPTED,
            job_id=str(job.job_id),
            correlation_id=job.correlation_id,
            route=job.route,
            application=job.application,
            services=len(job.calls),
            size=len(job.body),
        )
        return Accepted(answer, job.job_id, refusals)

    async def _replay(self, taken: KeyTaken, job: NewJob, request: AcceptRequest) -> Accepted:
        if job.idempotency is None or taken.fingerprint != job.idempotency.fingerprint:
            detail = "This idempotency-key was used with another body, query or callback-url; send a new key."
            raise ProblemError(Problem(422, "idempotency_key_reused", detail))
        view = await self._ledger.job(taken.job_id)
        if view is None:
            detail = "The job of this idempotency-key is no longer kept; send a new key."
            raise ProblemError(Problem(422, "idempotency_key_reused", detail))
        return Accepted(replayed_answer(view, applied=request.preference.applied), view.job_id, first=False)

    def _forget(self, job_id: UUID, wait: Wait) -> None:
        """The caller is gone or gets an error; what was committed all the same goes on."""
        self._callers.end(job_id)
        self._holds.open(job_id)
        for refusal in wait.refusals.values():
            self._background.spawn(self._record(refusal))

    async def _commit_refusals(self, accepted: Accepted, *, written: bool) -> None:
        if accepted.silent and written:
            try:
                if await self._ledger.refuse_all(accepted.job_id, services=len(accepted.refusals)):
                    return
            except LedgerUnavailable as error:
                # The rows stay ours by the ledger: reconcile finds them, they are called again, the webhook hears.
                self._log.warning(Event.LEDGER_UNAVAILABLE, stage="accept", error=str(error))
                return
        for refusal in accepted.refusals:
            await self._record(refusal)

    async def _record(self, refusal: Outcome) -> None:
        try:
            await self._ledger.record(refusal)
        except LedgerUnavailable as error:
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="accept", error=str(error))


def _who_can_answer(job: NewJob) -> list[str]:
    """Name the services worth waiting for: a synchronous one never holds the answer, nor does unowned work."""
    return [
        call.service
        for call, owned in zip(job.calls, job.owned, strict=True)
        if owned and call.completion is not Completion.RESPONSE
    ]


def _service_answer(call: ServiceCall, wait: Wait) -> ServiceAnswer:
    if call.service in wait.took:
        return ServiceAnswer(call.service, "invoked", wait.took[call.service])
    if call.service in wait.refusals:
        return ServiceAnswer(call.service, "refused", wait.refusals[call.service].status_code)
    return ServiceAnswer(call.service, "accepted")


def _all_refused(job: NewJob, refusals: Sequence[Outcome]) -> Answer:
    services = [
        {"service": refusal.service, "reason": refusal.reason, "status_code": refusal.status_code}
        for refusal in refusals
    ]
    detail = "No service took the request; nothing will be sent to the callback-url. It can be repeated."
    problem = Problem(502, "all_services_refused", detail, extra={"services": services})
    headers = {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "x-correlation-id": job.correlation_id,
    }
    return Answer(502, headers, problem.body(job.correlation_id))
