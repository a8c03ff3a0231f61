"""Small jobs in a closed loop: relay and sidecar in turn, and one long run that watches memory."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flow.meter import POLL, Stretch, faults_of
from benchmarks.flow.rows import report
from benchmarks.flow.site import Pair, open_pair
from benchmarks.flow.summary import Memory, Window
from benchmarks.flow.telling import cost_of_telling
from benchmarks.kit.report import Report, Tell
from sidecar.dev.postgres import EmbeddedPostgres

MEMORY_SAMPLES = 10
MEMORY_CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int
    stretch: Stretch
    clients: Sequence[int]
    size: int
    memory_jobs: int

    def steps(self) -> Iterator[tuple[int, int]]:
        """List round and number of clients of each pair of windows, in order."""
        for number in range(self.rounds):
            for clients in self.clients:
                yield number + 1, clients


async def measure_flow(server: EmbeddedPostgres, directory: Path, plan: Plan, tell: Tell) -> Report:
    """Measure small jobs, beside a relay."""
    async with open_pair(server, directory, tell) as pair:
        windows = await measure_windows(pair, plan)
        memory = await measure_memory(pair, plan)
    return report(windows, memory=memory, telling=await cost_of_telling())


def column_of(clients: int) -> str:
    """Name the column of so many callers."""
    return f"{clients} client{'s' * (clients != 1)}"


async def measure_windows(pair: Pair, plan: Plan) -> tuple[Window, ...]:
    """Measure relay and sidecar in turn: what disturbs the machine disturbs both."""
    found: list[Window] = []
    for number, clients in plan.steps():
        for target in (pair.relay, pair.sidecar):
            column = column_of(clients)
            name = f"flow: round {number}/{plan.rounds}, {column}: {target.name}"
            load = {"clients": clients, "size": plan.size}
            found.append(await pair.meter.window(target, column, plan.stretch, name=name, **load))
    return tuple(found)


async def measure_memory(pair: Pair, plan: Plan) -> Memory | None:
    """Run many jobs through the sidecar and watch its memory."""
    jobs, meter = plan.memory_jobs, pair.meter
    if not jobs:
        return None
    name = f"flow: memory over {jobs:,} jobs"
    begin = (await meter.peer.order("total"))["total"]
    await meter.start(pair.sidecar, clients=MEMORY_CLIENTS, size=plan.size)
    samples: list[tuple[int, int]] = []
    while len(samples) < MEMORY_SAMPLES:
        await asyncio.sleep(POLL)
        done = (await meter.peer.order("total"))["total"] - begin
        if done >= jobs * (len(samples) + 1) / MEMORY_SAMPLES:
            samples.append((done, pair.sidecar.resident_bytes()))
            name = f"flow: memory over {jobs:,} jobs: {samples[-1][1] / 2**20:.1f} MiB"
        meter.tell(name, min(1.0, done / jobs))
    ended = faults_of(await meter.peer.order("stop"))
    return Memory(tuple(samples), load=column_of(MEMORY_CLIENTS), faults=sum(ended.values()))
