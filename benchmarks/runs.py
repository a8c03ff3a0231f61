"""The runs: alternating loads of relay and sidecar, and one long run that watches memory."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gauges import busy_seconds, cpu_seconds, family_cpu_seconds, resident_bytes
from benchmarks.site import Site, Target
from benchmarks.summary import Memory, Window, Written

Tell = Callable[[str, float], None]
"""Shows progress: what is being done, and how far this step is, from 0 to 1."""

QUIET = 3.0
"""Seconds without load in which the sidecar shows which statements it issues for itself."""

MEMORY_SAMPLES = 10
MEMORY_CLIENTS = 32
POLL = 0.25
CPUS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds so far: of the target, of Postgres, of everything this run started, and of the whole machine."""

    target: float
    postgres: float
    ours: float
    machine: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.target - other.target,
            self.postgres - other.postgres,
            self.ours - other.ours,
            self.machine - other.machine,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure; times in seconds."""

    rounds: int
    seconds: float
    warmup: float
    clients: Sequence[int]
    memory_jobs: int

    def steps(self) -> Iterator[tuple[int, int]]:
        """List round and number of clients of each pair of windows, in order."""
        for number in range(self.rounds):
            for clients in self.clients:
                yield number + 1, clients


class Runner:
    """Runs a plan on a site."""

    def __init__(self, site: Site, plan: Plan, tell: Tell) -> None:
        self._site = site
        self._plan = plan
        self._tell = tell
        self._duties: set[str] = set()

    async def windows(self) -> tuple[Window, ...]:
        """Measure relay and sidecar in turn: what disturbs the machine disturbs both."""
        self._duties = await self._find_duties()
        found: list[Window] = []
        for number, clients in self._plan.steps():
            for target in (self._site.relay, self._site.sidecar):
                name = f"round {number}/{self._plan.rounds}, {clients} client{'s' * (clients > 1)}: {target.name}"
                found.append(await self._window(target, clients, name))
        return tuple(found)

    async def memory(self) -> Memory | None:
        """Run many jobs through the sidecar and watch its memory."""
        jobs, peer, sidecar = self._plan.memory_jobs, self._site.peer, self._site.sidecar
        if not jobs:
            return None
        name = f"memory over {jobs:,} jobs"
        begin = (await peer.order("total"))["total"]
        await peer.order("start", port=sidecar.port, clients=MEMORY_CLIENTS)
        samples: list[tuple[int, int]] = []
        while len(samples) < MEMORY_SAMPLES:
            await asyncio.sleep(POLL)
            done = (await peer.order("total"))["total"] - begin
            if done >= jobs * (len(samples) + 1) / MEMORY_SAMPLES:
                samples.append((done, resident_bytes(sidecar.pid)))
                name = f"memory over {jobs:,} jobs: {samples[-1][1] / 2**20:.1f} MiB"
            self._tell(name, min(1.0, done / jobs))
        ended = _faults(await peer.order("stop"))
        return Memory(tuple(samples), clients=MEMORY_CLIENTS, faults=sum(ended.values()))

    async def _find_duties(self) -> set[str]:
        # No job has run yet, and every duty runs once at the start: rare ones are found without waiting for them.
        await self._pause("what the sidecar does without jobs", QUIET)
        return {kind for kind, count in (await self._site.readings.statements()).items() if count}

    async def _window(self, target: Target, clients: int, name: str) -> Window:
        peer = self._site.peer
        written = await self._written()
        await peer.order("start", port=target.port, clients=clients)
        await self._pause(f"{name}, warming up", self._plan.warmup)
        await peer.order("mark")
        before = self._spent(target)
        await self._pause(name, self._plan.seconds)
        report = await peer.order("mark")
        spent = self._spent(target) - before
        for kind, number in _faults(await peer.order("stop")).items():
            report[kind] += number
        return Window(
            target=target.name,
            clients=clients,
            cpu=spent.target,
            rss=resident_bytes(target.pid),
            postgres_cpu=spent.postgres,
            others=max(0.0, spent.machine - spent.ours) / (CPUS * report["seconds"]),
            written=await self._written() - written,
            **report,
        )

    def _spent(self, target: Target) -> Spent:
        site = self._site
        postgres = family_cpu_seconds(site.postgres_pid)
        ours = family_cpu_seconds(os.getpid())
        return Spent(
            cpu_seconds(target.pid), postgres, ours + postgres - cpu_seconds(site.postgres_pid), busy_seconds()
        )

    async def _written(self) -> Written:
        """Read what cannot be cut at an instant; the load has not begun, or has ended."""
        issued = await self._site.readings.statements()
        return Written(
            jobs=(await self._site.peer.order("total"))["total"],
            statements=sum(count for kind, count in issued.items() if kind not in self._duties),
            duties=sum(count for kind, count in issued.items() if kind in self._duties),
            wal=(await self._site.readings.standing()).wal,
        )

    async def _pause(self, name: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (passed := loop.time() - began) < seconds:
            self._tell(name, passed / seconds)
            await asyncio.sleep(min(POLL, seconds - passed))
        self._tell(name, 1.0)


def _faults(report: dict[str, Any]) -> dict[str, int]:
    return {kind: report[kind] for kind in ("refused", "wrong", "missing", "unexpected")}
