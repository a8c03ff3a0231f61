"""The stage that takes requests in. Nothing is answered 202 before it is committed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sidecar.accept.answer import accepted_answer, refused_answer
from sidecar.accept.large import LargeRequests
from sidecar.accept.ports import Holds, Ledger, Room
from sidecar.accept.quotas import Place
from sidecar.accept.replay import IN_PROGRESS, Accepted, Key, Replays
from sidecar.accept.request import AcceptRequest, fingerprint, key_scope
from sidecar.accept.waiting import Wait, WaitingCallers, service_answer
from sidecar.kit.background import Background
from sidecar.kit.time_limit import TimeLimits
from sidecar.model.endpoint import EndpointRule
from sidecar.model.errors import LedgerError, LedgerRejected, LedgerUnavailable, NotStored, ProblemError
from sidecar.model.job import IdempotencyKey, KeyTaken, NewJob, Stored
from sidecar.model.outcome import Outcome
from sidecar.model.problems import Problem
from sidecar.model.route import Completion
from sidecar.model.sealing import Seals
from sidecar.model.stored import StoredObject
from sidecar.settings.route_table import Match
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

DECIDING = 2.0
"""Seconds from an answer to the commit that follows it."""


@dataclass(frozen=True, slots=True)
class AcceptLimits:
    """Times are seconds; ``max_wait`` is the longest that an answer waits for services."""

    commit_timeout: float
    max_wait: float
    idempotency_ttl: float
    public_url: str


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
        large: LargeRequests | None = None,
        seals: Seals,
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
        self.large = large
        """Takes large bodies, where there is an object store."""
        self._seals = seals
        self._replays = Replays(ledger, undecided=max(limits.commit_timeout, limits.max_wait) + DECIDING)
        self._unanswered: set[Key] = set()
        self._time_limits = TimeLimits()

    def new_job_id(self) -> UUID:
        """Make the id of a job, which also names the object that its body becomes."""
        return self._ledger.new_job_id()

    async def accept(
        self,
        request: AcceptRequest,
        match: Match,
        *,
        method: str,
        target: str,
        body: bytes | StoredObject,
        job_id: UUID | None = None,
        over: Problem | None = None,
        place: Place | None = None,
    ) -> Accepted:
        """Store a request and wait, as long as the caller likes, for its services to take it.

        A body in the object store is removed again when it does not become a job's. Where ``over`` says that no new
        job may begin, only the repetition of one is answered. ``place`` is told when the job is committed.

        Raises:
            ProblemError: ``over``, 409 or 422 for the idempotency key, 400 for values that the database refuses.
            LedgerUnavailable: Nothing was stored, or nobody knows.
        """
        job = self._new_job(request, match, method=method, target=target, body=body, job_id=job_id)
        try:
            if over is None:
                accepted = await self._accept(job, request, place)
            else:
                accepted = await self._replays.only(job.idempotency, request, over=over)
        except (ProblemError, NotStored):
            if self.large is not None:
                await self.large.drop(body)
            raise
        if self.large is not None and not accepted.first:
            await self.large.drop(body)
        return accepted

    async def _accept(self, job: NewJob, request: AcceptRequest, place: Place | None) -> Accepted:
        """Store a job and answer for it.

        Raises:
            ProblemError: 409 or 422 for the idempotency key, 400 for values that the database refuses.
            LedgerUnavailable: Nothing was stored, or nobody knows.
        """
        began = asyncio.get_running_loop().time()
        key = self._reserve(job)
        wait = self._callers.begin(job.job_id, _who_can_answer(job))
        self._holds.hold(job.job_id)
        try:
            stored = await self._store(job)
            if isinstance(stored, Stored):
                if place is not None:
                    place.stored(job.size)
                committing = asyncio.get_running_loop().time() - began  # of the same time that the caller has
                await self._callers.until_heard(job.job_id, request.preference.wait - committing)
        except BaseException:
            self._forget(job.job_id, key, wait)
            raise
        self._callers.end(job.job_id)
        if isinstance(stored, KeyTaken):
            self._unreserve(key)
            self._holds.open(job.job_id)
            return await self._replays.answer(stored, job.idempotency, request)
        return self._answered(job, key, stored, wait, request)

    def settle(self, accepted: Accepted, *, written: bool) -> None:
        """Do what must follow the answer: let the messages go, and commit refusals."""
        if not accepted.first:
            return
        if accepted.silent and written:
            self._background.spawn(self._refuse_all(accepted))
        else:
            self._unreserve(accepted.key)
            if accepted.key is not None:
                self._replays.promised(accepted.job_id)
            if accepted.refusals:
                self._background.spawn(self._record_all(accepted.refusals))
        self._holds.open(accepted.job_id)

    def _new_job(
        self,
        request: AcceptRequest,
        match: Match,
        *,
        method: str,
        target: str,
        body: bytes | StoredObject,
        job_id: UUID | None,
    ) -> NewJob:
        small = body if isinstance(body, bytes) else b""
        key = None
        if request.idempotency_key is not None:
            key = IdempotencyKey(
                scope=key_scope(
                    application=request.caller.application,
                    method=method,
                    path=target.partition("?")[0],
                    sandbox=request.caller.sandbox,
                ),
                key=request.idempotency_key,
                fingerprint=fingerprint(callback_url=request.callback.text, target=target, body=body),
                ttl=self._limits.idempotency_ttl,
            )
        job_id = job_id or self._ledger.new_job_id()
        return NewJob(
            job_id=job_id,
            correlation_id=request.correlation_id,
            application=request.caller.application,
            route=match.route.path,
            method=method,
            callback_url=request.callback.text,
            endpoint=self._endpoints.endpoint_of(request.callback),
            gather=match.route.gather,
            deadline=match.route.deadline,
            headers=request.headers,
            body=small,
            traceparent=request.traceparent,
            links_base=self._limits.public_url + request.caller.context,
            calls=match.calls,
            owned=tuple(self._room.has_room(call.service_key, len(small)) for call in match.calls),
            idempotency=key,
            stored=None if isinstance(body, bytes) else body.dump(),
            size=len(body) if isinstance(body, bytes) else body.stored_size,
            upload_url=None if request.upload is None else request.upload.text,
            kept_headers=self._seals.close(job_id, request.headers, match.calls),
        )

    def _reserve(self, job: NewJob) -> Key | None:
        """Let no other request replay a key before its first one is answered: a 502 would make that 202 untrue."""
        if job.idempotency is None:
            return None
        key = (job.idempotency.scope, job.idempotency.key)
        if key in self._unanswered:
            raise ProblemError(IN_PROGRESS)
        self._unanswered.add(key)
        return key

    def _unreserve(self, key: Key | None) -> None:
        if key is not None:
            self._unanswered.discard(key)

    async def _store(self, job: NewJob) -> Stored | KeyTaken:
        try:
            with self._time_limits.within(self._limits.commit_timeout):
                return await self._ledger.accept(job)
        except TimeoutError:
            raise LedgerUnavailable("the commit took too long; it may still happen") from None
        except LedgerRejected as error:
            self._log.warning(
                Event.ROW_REJECTED, stage="accept", job_id=str(job.job_id), correlation_id=job.correlation_id
            )
            detail = "The database cannot store a value of this request; it may hold characters that no text has."
            raise ProblemError(Problem(400, "header_invalid", detail)) from error

    def _answered(self, job: NewJob, key: Key | None, stored: Stored, wait: Wait, request: AcceptRequest) -> Accepted:
        refusals = [wait.refusals[call.service] for call in job.calls if call.service in wait.refusals]
        if len(refusals) == len(job.calls):
            self._told(Event.JOB_REJECTED, job)
            return Accepted(refused_answer(job.correlation_id, refusals), job.job_id, key, refusals, silent=True)
        services = [service_answer(call, wait) for call in job.calls]
        answer = accepted_answer(
            job_id=job.job_id,
            correlation_id=job.correlation_id,
            services=services,
            created_at=stored.created_at,
            deadline_at=stored.deadline_at,
            links_base=job.links_base,
            applied=request.preference.applied,
        )
        self._told(Event.JOB_ACCEPTED, job)
        return Accepted(answer, job.job_id, key, refusals)

    def _told(self, event: Event, job: NewJob) -> None:
        self._log.info(
            event,
            job_id=str(job.job_id),
            correlation_id=job.correlation_id,
            route=job.route,
            application=job.application,
            services=len(job.calls),
            size=len(job.body),
        )

    def _forget(self, job_id: UUID, key: Key | None, wait: Wait) -> None:
        """The caller is gone or gets an error; what was committed all the same goes on."""
        self._unreserve(key)
        self._callers.end(job_id)
        self._holds.open(job_id)
        if wait.refusals:
            self._background.spawn(self._record_all(list(wait.refusals.values())))

    async def _refuse_all(self, accepted: Accepted) -> None:
        try:
            if not await self._ledger.refuse_all(accepted.job_id, services=len(accepted.refusals)):
                await self._record_all(accepted.refusals)
        except LedgerError as error:
            # The rows stay ours by the ledger: reconcile finds them, they are called again, the webhook hears.
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="accept", error=str(error))
        finally:
            self._unreserve(accepted.key)

    async def _record_all(self, refusals: Sequence[Outcome]) -> None:
        for refusal in refusals:
            try:
                await self._ledger.record(refusal, patient=True)
            except LedgerError as error:
                self._log.warning(Event.LEDGER_UNAVAILABLE, stage="accept", error=str(error))


def _who_can_answer(job: NewJob) -> list[str]:
    """Name the services worth waiting for: a synchronous one never holds the answer, nor does unowned work."""
    return [
        call.service
        for call, owned in zip(job.calls, job.owned, strict=True)
        if owned and call.completion is not Completion.RESPONSE
    ]
