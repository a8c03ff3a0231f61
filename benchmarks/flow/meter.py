"""Measures one stretch of load: what was done, how long it took, and what it cost."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from benchmarks.flow.summary import Window, Written
from benchmarks.kit.children import PeerProcess
from benchmarks.kit.gauges import Readings, busy_seconds, family_cpu_seconds
from benchmarks.kit.report import Tell
from benchmarks.kit.site import Target

QUIET = 3.0
"""Seconds without load in which the sidecar shows which statements it issues for itself."""

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
class Stretch:
    """How long to load before it is measured, and how long to measure; in seconds."""

    warmup: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often and how long to measure, with bodies of how many bytes."""

    count: int
    stretch: Stretch
    size: int


class Meter:
    """Offers load by the load generator, and reads all gauges.

    Args:
        peer: The load generator.
        readings: Statements and write-ahead log.
        postgres_pid: The postmaster.
        tell: Shows progress.
    """

    def __init__(self, peer: PeerProcess, readings: Readings, *, postgres_pid: int, tell: Tell) -> None:
        self.peer = peer
        self.tell = tell
        self._readings = readings
        self._postgres_pid = postgres_pid
        self._duties: set[str] = set()

    async def learn_duties(self, sidecar: Target) -> None:
        """Find what a sidecar does without jobs.

        No job has run yet, and every duty runs once at the start: rare ones are found without waiting for them.
        """
        await self.pause("what the sidecar does without jobs", QUIET)
        self._duties = {kind for kind, count in (await self._readings.statements(sidecar.metrics)).items() if count}

    async def start(self, target: Target, **load: Any) -> None:
        """Begin to offer load to a target; the load is that of ``benchmarks.load.offer``."""
        await self.peer.order("start", gateways=target.gateways, callbacks=target.callbacks, **load)

    async def window(self, target: Target, column: str, stretch: Stretch, *, name: str, **load: Any) -> Window:
        """Offer load, and measure once it is warm."""
        written = await self._written(target)
        await self.start(target, **load)
        await self.pause(f"{name}, warming up", stretch.warmup)
        await self.peer.order("mark")
        before = self._spent(target)
        await self.pause(name, stretch.seconds)
        report = await self.peer.order("mark")
        spent = self._spent(target) - before
        for kind, number in faults_of(await self.peer.order("stop")).items():
            report[kind] += number
        return Window(
            target=target.name,
            load=column,
            cpu=spent.target,
            rss=target.resident_bytes(),
            postgres_cpu=spent.postgres,
            others=max(0.0, spent.machine - spent.ours) / (CPUS * report["seconds"]),
            written=await self._written(target) - written,
            **report,
        )

    async def pause(self, name: str, seconds: float) -> None:
        """Let time pass and show it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (passed := loop.time() - began) < seconds:
            self.tell(name, passed / seconds)
            await asyncio.sleep(min(POLL, seconds - passed))
        self.tell(name, 1.0)

    def _spent(self, target: Target) -> Spent:
        postgres = family_cpu_seconds(self._postgres_pid)
        return Spent(target.cpu_seconds(), postgres, family_cpu_seconds(os.getpid()), busy_seconds())

    async def _written(self, target: Target) -> Written:
        """Read what cannot be cut at an instant; the load has not begun, or has ended."""
        issued = await self._readings.statements(target.metrics)
        return Written(
            jobs=(await self.peer.order("total"))["total"],
            statements=sum(count for kind, count in issued.items() if kind not in self._duties),
            duties=sum(count for kind, count in issued.items() if kind in self._duties),
            wal=await self._readings.written(),
        )


def faults_of(report: dict[str, Any]) -> dict[str, int]:
    """Choose what did not go as it should."""
    return {kind: report[kind] for kind in ("refused", "wrong", "missing", "unexpected")}
