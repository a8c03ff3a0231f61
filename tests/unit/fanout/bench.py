"""A fan-out stage on a small ledger of its own, with services that answer as they are told."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sidecar.fanout.stage import Fanout, FanoutLimits
from sidecar.ledger import Registry
from sidecar.model.callback_token import CallbackTokens
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation, Release
from sidecar.model.outcome import Fence, Outcome, Recorded, Verdict
from sidecar.outbound.requests import Failure, Reply
from sidecar.outbound.streams import Source, Spill
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, SEALS, Lines, make_reply

FENCE = Fence(worker=7, claim=1)


class Ledger:
    def __init__(self) -> None:
        self.registry = Registry()
        self.releases: list[Release] = []
        self.outcomes: list[Outcome] = []
        self.fault: Exception | None = None
        self.acts = True

    def may_act(self, worker: int) -> bool:
        return self.acts and worker == FENCE.worker

    async def release(self, release: Release) -> bool:
        if self.fault is not None:
            raise self.fault
        self.releases.append(release)
        return True

    def acknowledge(self, release: Release, *, lost: Callable[[Release, LedgerError], None]) -> None:
        if isinstance(self.fault, LedgerError):
            lost(release, self.fault)
        else:
            self.releases.append(release)

    async def record(self, outcome: Outcome, *, patient: bool = False) -> Recorded:
        assert patient  # nobody else would offer it again
        if self.fault is not None:
            raise self.fault
        self.outcomes.append(outcome)
        return Recorded(Verdict.WON)


class Caller:
    """Who waits for acknowledgements."""

    def __init__(self) -> None:
        self.took_it: list[tuple[str, int]] = []
        self.refusals: list[Outcome] = []
        self.waits = False

    def took(self, job_id: UUID, service: str, status: int) -> None:
        assert job_id == JOB
        self.took_it.append((service, status))

    def refused(self, outcome: Outcome) -> bool:
        if self.waits:
            self.refusals.append(outcome)
        return self.waits


class Bench:
    def __init__(self, *answers: Reply | Failure | Exception, **limits: int) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []
        self.gate: asyncio.Event | None = None
        self.ledger, self.caller, self.lines = Ledger(), Caller(), Lines()
        self.rooms = 0
        usual = {"per_service": 2, "total": 9, "queue": 2, "in_flight_bytes": 1000}
        self.fanout = Fanout(
            ledger=self.ledger,
            send=self._send,
            acknowledgements=self.caller,
            tokens=CallbackTokens([b"secret"]),
            callbacks_url="http://sidecar:8081",
            marker="m-1",
            limits=FanoutLimits(**{**usual, **limits}),
            max_response=5000,
            log=self.lines.log,
            metrics=Metrics(),
            clock=lambda: NOW,
            on_room=self._room,
            seals=SEALS,
        )

    def _room(self) -> None:
        self.rooms += 1

    async def _send(
        self,
        *,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | Source,
        timeout: float,
        max_response: int,
        spill: Spill | None = None,
    ) -> Reply | Failure:
        assert spill is None  # there is no object store
        values = {"method": method, "url": url, "headers": headers, "body": body}
        self.sent.append({**values, "timeout": timeout, "max_response": max_response})
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else make_reply(202)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def handle(self, *work: Invocation) -> None:
        for item in work:
            self.ledger.registry.hold("invocation", item.job_id, item.call.service, item.claim)
        self.fanout.start(work)
        await self.fanout.lanes.drain(10)
        assert self.fanout.lanes._failure is None  # nothing that a service does may end the process
