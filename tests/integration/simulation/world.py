"""The world around the replicas: services that work and call back, a webhook that listens, and what they remember."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

from sidecar.model.delivery import Delivery, Part
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, Recorded, ResultStatus, Verdict
from sidecar.model.retry import Retry

DEAD_ENDPOINT = "https://dead.example:443"
LOST_ENDPOINT = "https://lost.example:443"  # away until it is calm
DEAD_BUDGET = 1.5  # seconds that messages for it are retried
LATENCY = (0.005, 0.05)  # seconds that an answer takes
MUTE = "mute"  # takes the call and never answers
TWINS = ("left", "right")  # answer at the very same moment


class Answer(Enum):
    """What a service says to a call."""

    TOOK = 202
    REFUSED = 409
    BUSY = 503
    SILENCE = 0  # it may have taken the call; its answer never came


@dataclass
class Memory:
    """What the world remembers, for the oracle."""

    worked: dict[tuple[UUID, str], bytes] = field(default_factory=dict)  # what the service calls back with
    refused_results: list[tuple[UUID, str, Recorded]] = field(default_factory=list)
    unequal_repeats: list[tuple[UUID, str, Recorded]] = field(default_factory=list)
    received: dict[str, set[bytes]] = field(default_factory=dict)  # message id -> the bodies that came
    counts: Counter[str] = field(default_factory=Counter)


class World:
    """Services and webhook; ``offer`` takes a callback to some living replica."""

    def __init__(self, rng: random.Random, offer: Callable[[Outcome], Coroutine[Any, Any, Recorded]]) -> None:
        self.memory = Memory()
        self.calm = False
        self._rng = rng
        self._offer = offer
        self._refusing: dict[tuple[UUID, str], bool] = {}
        self._ready: dict[UUID, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _chance(self, share: float) -> bool:
        return not self.calm and self._rng.random() < share

    async def call(self, invocation: Invocation) -> Answer:
        """Be called. A service does its work once, and dislikes to be asked twice."""
        await asyncio.sleep(self._rng.uniform(*LATENCY))
        key = (invocation.job_id, invocation.call.service)
        if key in self.memory.worked:
            self.memory.counts["repeats"] += 1
            return Answer.REFUSED
        if self._chance(0.05):
            return Answer.BUSY
        if invocation.call.service not in (MUTE, *TWINS) and self._refusing.setdefault(key, self._rng.random() < 0.1):
            return Answer.REFUSED
        self.memory.worked[key] = f"{key[0]}:{key[1]}:done".encode()
        if invocation.call.service != MUTE:
            self._spawn(self._work(*key))
        return Answer.SILENCE if self._chance(0.15) else Answer.TOOK

    async def _work(self, job_id: UUID, service: str) -> None:
        if service in TWINS:
            await self._wait_for_twin(job_id)
        else:
            await asyncio.sleep(self._rng.uniform(0.0, 0.15))
        result = self._result(job_id, service)
        recorded = await self._call_back(result)
        if recorded.verdict is Verdict.EXPIRED:
            self.memory.counts["late results"] += 1
        elif recorded.verdict not in (Verdict.WON, Verdict.SAME):
            self.memory.refused_results.append((job_id, service, recorded))
        elif self._rng.random() < 0.2:
            again = await self._call_back(result)
            self.memory.counts["repeated callbacks"] += 1
            if again.verdict is not Verdict.SAME:
                self.memory.unequal_repeats.append((job_id, service, again))

    async def _wait_for_twin(self, job_id: UUID) -> None:
        other = self._ready.pop(job_id, None)
        if other is not None:
            other.set()
            return
        mine = self._ready[job_id] = asyncio.Event()
        await mine.wait()

    async def _call_back(self, result: Outcome) -> Recorded:
        while True:
            try:
                return await self._offer(result)
            except LedgerError:
                self.memory.counts["callbacks answered 503"] += 1
                await asyncio.sleep(0.05)

    def _result(self, job_id: UUID, service: str) -> Outcome:
        return Outcome(
            job_id=job_id,
            service=service,
            outcome=OutcomeKind.RESULT,
            status=ResultStatus.SUCCEEDED,
            kind=MessageKind.DIRECT,
            headers=b"",
            body=self.memory.worked[job_id, service],
        )

    async def deliver(self, message: Delivery | Retry, parts: list[Part]) -> bool:
        """Be sent a message; False is a failure that may be tried again, and may have arrived all the same."""
        await asyncio.sleep(self._rng.uniform(*LATENCY))
        if not self.reachable(message.endpoint) or self._chance(0.05):
            return False
        body = b"|".join(part.service.encode() + b"=" + part.body for part in parts) or message.body
        known = self.memory.received.setdefault(message.message_id, set())
        self.memory.counts["duplicate messages" if known else "messages"] += 1
        known.add(body)
        return not self._chance(0.05)

    def reachable(self, endpoint: str) -> bool:
        """Tell whether anybody is there now."""
        return endpoint != DEAD_ENDPOINT and (endpoint != LOST_ENDPOINT or self.calm)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End whatever is still at work: a twin that was called again after the play, say."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def rest(self) -> None:
        """Wait until no service is at work; twins whose other half never began are let go."""
        for event in self._ready.values():
            event.set()
        while self._tasks:
            await asyncio.wait(set(self._tasks), timeout=0.2)
            for event in self._ready.values():
                event.set()
