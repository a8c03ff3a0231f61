"""An acceptor on a small ledger of its own, and what is around it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sidecar.accept.replay import Accepted
from sidecar.accept.stage import AcceptLimits, Acceptor
from sidecar.accept.waiting import WaitingCallers
from sidecar.kit.background import Background
from sidecar.model.endpoint import EndpointRule
from sidecar.model.job import IdempotencyKey, JobView, KeyTaken, NewJob, Stored
from sidecar.model.outcome import Outcome, Recorded, Verdict
from sidecar.model.prefer import Preference
from sidecar.model.route import ServiceCall
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, SEALS, Lines, make_call, make_job_view, make_match, make_refusal, make_request

BILLING, STOCK = make_call(), make_call(service="stock", service_key="http://stock:9000")


class Ledger:
    """Stores in a list. ``on_accept`` is what happens while the commit is under way."""

    def __init__(self) -> None:
        self.jobs: list[NewJob] = []
        self.keys: dict[tuple[str, str], KeyTaken] = {}
        self.views: dict[UUID, JobView] = {}
        self.recorded: list[str] = []
        self.refused: list[tuple[UUID, int]] = []
        self.refuses = True  # whether all of them are still as refused as they were
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.stored = asyncio.Event()
        self.on_accept: Callable[[NewJob], None] = lambda _: None

    def new_job_id(self) -> UUID:
        return UUID(int=JOB.int + len(self.jobs))

    async def accept(self, job: NewJob) -> Stored | KeyTaken:
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        if job.idempotency is not None:
            key = (job.idempotency.scope, job.idempotency.key)
            if key in self.keys:
                return self.keys[key]
            self.keys[key] = KeyTaken(job.job_id, job.idempotency.fingerprint)
            self.views[job.job_id] = make_job_view(job_id=job.job_id)
        self.jobs.append(job)
        self.on_accept(job)
        self.stored.set()
        return Stored(NOW, NOW)

    async def refuse_all(self, job_id: UUID, *, services: int) -> bool:
        self.refused.append((job_id, services))
        if self.fault is not None:
            raise self.fault
        return self.refuses

    async def record(self, outcome: Outcome, *, patient: bool = False) -> Recorded:
        assert patient  # nobody else would offer it again
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.recorded.append(outcome.service)
        return Recorded(Verdict.WON)

    async def job(self, job_id: UUID) -> JobView | None:
        return self.views.get(job_id)

    def now(self) -> datetime:
        return NOW

    async def key_holder(self, key: IdempotencyKey) -> KeyTaken | None:
        return self.keys.get((key.scope, key.key))


class Room:
    def __init__(self) -> None:
        self.full: set[str] = set()

    def has_room(self, service_key: str, size: int) -> bool:
        return size >= 0 and service_key not in self.full


class Holds:
    def __init__(self) -> None:
        self.held: set[UUID] = set()

    def hold(self, job_id: UUID) -> None:
        self.held.add(job_id)

    def open(self, job_id: UUID) -> None:
        self.held.discard(job_id)


class Bench:
    """An acceptor, and what is around it."""

    def __init__(self, *, commit_timeout: float = 60.0) -> None:
        self.ledger, self.room, self.holds, self.callers = Ledger(), Room(), Holds(), WaitingCallers()
        self.errors: list[BaseException] = []
        self.background = Background(self.errors.append)
        self.lines = Lines()
        self.acceptor = Acceptor(
            ledger=self.ledger,
            room=self.room,
            holds=self.holds,
            callers=self.callers,
            endpoints=EndpointRule(),
            limits=AcceptLimits(
                commit_timeout=commit_timeout, max_wait=5.0, idempotency_ttl=60.0, public_url="https://gw.example"
            ),
            background=self.background,
            log=self.lines.log,
            metrics=Metrics(),
            seals=SEALS,
        )

    async def accept(self, *calls: ServiceCall, body: bytes = b"{}", wait: float = 60.0, **over: Any) -> Accepted:
        request = make_request(preference=Preference(wait=wait, applied=None), **over)
        return await self.acceptor.accept(request, make_match(*calls), method="POST", target="/orders?a=1", body=body)

    def hears(self, took: dict[str, int] | None = None, refused: tuple[str, ...] = ()) -> None:
        """Let services answer as soon as the job is stored."""

        def answers(job: NewJob) -> None:
            for service, status in (took or {}).items():
                self.callers.took(job.job_id, service, status)
            for service in refused:
                if not self.callers.refused(make_refusal(service, job_id=job.job_id)):
                    self.ledger.recorded.append(f"{service} by the fan-out")

        self.ledger.on_accept = answers

    async def settled(self, accepted: Accepted, *, written: bool = True) -> None:
        self.acceptor.settle(accepted, written=written)
        await self.background.drain(10)
        assert self.errors == []
        assert self.holds.held == set()
