"""The play: callers, three replicas, and trouble; then calm, and the judgement."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from sidecar.ledger import Ledger
from sidecar.model.errors import LedgerError
from sidecar.model.job import NewJob, Stored
from sidecar.model.outcome import Outcome, Recorded
from sidecar.model.route import Gather
from tests.integration.ledger.kit import make_call, make_job, make_key
from tests.integration.simulation.faults import links
from tests.integration.simulation.oracle import Findings, judge, open_rows
from tests.integration.simulation.replicas import Replica
from tests.integration.simulation.world import DEAD_ENDPOINT, LOST_ENDPOINT, MUTE, TWINS, World

REPLICAS = 3
CALLERS = 12
DEADLINE = 4.0  # an unsure invocation that is refused waits for it
MUTE_DEADLINE = 3.0  # longer than it takes to find a call that nobody heard of
ENDPOINTS = ("https://a.example:443", "https://b.example:443", DEAD_ENDPOINT, LOST_ENDPOINT)


@dataclass
class Script:
    """What is played. Times are seconds."""

    seed: int
    duration: float = 6.0
    calm: float = 90.0  # at most, until nothing is open
    wanted: tuple[str, ...] = ()  # what has to happen, for which the trouble goes on
    patience: float = 90.0  # at most, for what has to happen
    jobs: int = 0  # that have to be answered, for which the trouble goes on too
    kills: float = 0.5  # share of kills among the troubles; the others are silences
    cast: type[Replica] = Replica
    prepare: Callable[[Ledger], None] = field(default=lambda _ledger: None)


class Play:
    """One run of a script."""

    def __init__(self, dsn: str, script: Script) -> None:
        self._dsn = dsn
        self._script = script
        self._rng = random.Random(script.seed)
        self._world = World(self._rng, self._offer)
        self._replicas: list[Replica] = []
        self._answered: dict[str, UUID] = {}
        self._lost_answers = 0
        self._over = False

    async def run(self) -> Findings:
        for _ in range(REPLICAS):
            await self._enter()
        trouble = asyncio.create_task(self._make_trouble())
        callers = [asyncio.create_task(self._submit(number)) for number in range(CALLERS)]
        await trouble  # nobody is stopped in the middle of something
        self._over = True
        await asyncio.gather(*callers)
        await self._become_calm()
        findings = await judge(self._dsn, self._world.memory, self._answered)
        findings.counts += self._world.memory.counts
        findings.counts["answered jobs"] = len(self._answered)
        findings.counts["lost answers"] = self._lost_answers
        for replica in self._replicas:
            await replica.stop()
        await self._world.close()
        return findings

    async def _enter(self) -> None:
        replica = self._script.cast(self._dsn, self._world, self._rng, prepare=self._script.prepare)
        await replica.start()
        self._replicas.append(replica)

    def _some(self) -> Replica:
        return self._rng.choice(self._replicas)

    async def _offer(self, outcome: Outcome) -> Recorded:
        return await self._some().ledger.record(outcome)

    # Callers

    async def _submit(self, number: int) -> None:
        count = 0
        while not self._over:
            count += 1
            await self._submit_one(f"{number}-{count}", self._rng.choice(("each", "all", "twins", "mute")))
            await asyncio.sleep(self._rng.uniform(0.0, 0.05))

    async def _submit_one(self, key: str, kind: str) -> None:
        endpoint = self._rng.choices(ENDPOINTS, (10, 10, 2, 4))[0]
        while True:
            ledger = self._some().ledger
            job = make_job(ledger, *services(kind), idempotency=make_key(key), endpoint=endpoint)
            try:
                answer = await ledger.accept(shaped(job, kind))
            except LedgerError:
                self._world.memory.counts["requests answered 503"] += 1
                await asyncio.sleep(0.02)
                continue
            self._answered[key] = job.job_id if isinstance(answer, Stored) else answer.job_id
            return

    # Trouble

    async def _make_trouble(self) -> None:
        clock = asyncio.get_running_loop().time
        over = clock() + self._script.duration
        enough = over + self._script.patience
        while clock() < over or (clock() < enough and not self._all_happened()):
            await asyncio.sleep(self._rng.uniform(0.3, 0.9))
            if self._killing():
                await self._kill(self._some())
            else:
                await self._silence(self._some())

    def _all_happened(self) -> bool:
        """Whether chance has brought all that the script wants."""
        lost = self._lost_answers + sum(link.lost for replica in self._replicas for link in links(replica.ledger))
        done = self._world.memory.counts + Counter({"lost answers": lost})
        return all(done[name] > 0 for name in self._script.wanted) and len(self._answered) > self._script.jobs

    def _killing(self) -> bool:
        """Choose the next trouble; where both may happen, both do."""
        done = self._world.memory.counts
        if 0.0 < self._script.kills < 1.0 and not (done["kills"] and done["silences"]):
            return not done["kills"]
        return self._rng.random() < self._script.kills

    async def _kill(self, victim: Replica) -> None:
        self._world.memory.counts["kills"] += 1
        self._lost_answers += sum(link.lost for link in links(victim.ledger))
        self._replicas.remove(victim)
        await victim.kill()
        await self._enter()

    async def _silence(self, zombie: Replica) -> None:
        self._world.memory.counts["silences"] += 1
        zombie.silent = True
        await asyncio.sleep(1.6)
        zombie.silent = False

    async def _become_calm(self) -> None:
        self._world.calm = True
        for replica in self._replicas:
            replica.silent = False
            for link in links(replica.ledger):
                link.calm = True
                self._lost_answers += link.lost
        try:
            async with asyncio.timeout(self._script.calm):
                while await open_rows(self._dsn):  # noqa: ASYNC110 - the database signals nothing
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self._world.memory.counts["calm was not enough"] += 1
        await self._world.rest()


def services(kind: str) -> tuple[str, ...]:
    return {"each": ("billing", "risk"), "all": ("billing", "risk", "stock"), "twins": TWINS, "mute": (MUTE,)}[kind]


def shaped(job: NewJob, kind: str) -> NewJob:
    calls = tuple(make_call(call.service, service_key=f"http://{call.service}:80") for call in job.calls)
    gather = Gather.ALL if kind in ("all", "twins") else Gather.EACH
    deadline = MUTE_DEADLINE if kind == "mute" else DEADLINE
    return replace(job, calls=calls, gather=gather, deadline=deadline)
