"""Small jobs by how many services each has, and by how many processes serve: workers of one replica, and replicas."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flow.meter import Rounds
from benchmarks.flow.rows import Loads, jobs_per_second, milliseconds
from benchmarks.flow.site import Site, open_site
from benchmarks.flow.summary import Window, cpu_per_job
from benchmarks.kit.report import Chart, Report, Tell
from benchmarks.kit.rows import Row, judge
from benchmarks.kit.site import run_sidecars
from sidecar.dev.postgres import EmbeddedPostgres

CLIENTS = 32
SPREAD_CLIENTS = 64
"""Callers where several processes share the work, so that each has enough to do."""

BASE = "1 service"
WORKERS = "2 workers"
GAIN = 1.7
"""Least jobs a second of two workers, as a multiple of one worker's, where cores allow."""

CORES = 6
"""Cores that two workers, Postgres and the load generator need so that none waits for another."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One arrangement."""

    name: str
    services: int = 1
    workers: int = 1
    replicas: int = 1
    clients: int = CLIENTS


SHAPES = (
    Shape(BASE),
    Shape("2 services", services=2),
    Shape("5 services", services=5),
    Shape("1 worker", clients=SPREAD_CLIENTS),
    Shape(WORKERS, workers=2, clients=SPREAD_CLIENTS),
    Shape("3 replicas", replicas=3, clients=SPREAD_CLIENTS),
)


async def measure_shapes(server: EmbeddedPostgres, directory: Path, plan: Rounds, tell: Tell) -> Report:
    """Measure each arrangement in turn, each time with fresh processes."""
    found: list[Window] = []
    async with open_site(server, directory, tell) as site:
        for number in range(plan.count):
            for shape in SHAPES:
                found.append(await _window(site, shape, plan, f"round {number + 1}/{plan.count}"))  # noqa: PERF401
    return report(found)


async def _window(site: Site, shape: Shape, plan: Rounds, when: str) -> Window:
    run = run_sidecars(site.directory, site.dsn, site.service, replicas=shape.replicas, workers=shape.workers)
    async with run as sidecar:
        await site.meter.learn_duties(sidecar)
        load = {"clients": shape.clients, "services": shape.services, "size": plan.size}
        return await site.meter.window(sidecar, shape.name, plan.stretch, name=f"shapes: {when}, {shape.name}", **load)


def report(windows: Sequence[Window]) -> Report:
    """Build the section."""
    loads = Loads(windows)
    title = f"small jobs, by services of a job and by processes; {os.cpu_count()} cores for everything"
    speed = tuple(loads.middle("sidecar", name, jobs_per_second) for name in loads.columns)
    chart = Chart("Completed jobs a second, by arrangement", tuple(loads.columns), {"sidecar": speed}, "jobs/s")
    return Report(title, tuple(loads.columns), tuple(_lines(loads)), {"windows": tuple(windows)}, (chart,))


def _lines(loads: Loads) -> Iterator[Row]:
    times = "{:.1f} / {:.1f} / {:.1f} ms"
    yield loads.row("sidecar", "completed jobs/s", "{:,.0f}", jobs_per_second)
    yield loads.row("sidecar", "CPU per job", "{:.0f} us", lambda window: cpu_per_job(window) * 1e6)
    yield loads.row("sidecar", "SQL statements per job", "{:.2f}", lambda window: window.written.per_job_statements)
    yield loads.row("sidecar", "WAL per job with its bodies", "{:,.0f} B", lambda window: window.written.per_job_wal)
    yield loads.row("sidecar", "Postgres CPU per job", "{:.0f} us", lambda w: w.per_job(w.postgres_cpu) * 1e6)
    yield loads.row("sidecar", "accept, p50 / p95 / p99", times, *milliseconds("accept"))
    yield loads.row("sidecar", "whole job, p50 / p95 / p99", times, *milliseconds("job"))
    yield loads.row("sidecar", "CPU that other programs took", "{:.0%}", lambda window: window.others)
    yield gain(loads.middle("sidecar", WORKERS, jobs_per_second) / loads.middle("sidecar", "1 worker", jobs_per_second))
    faults = loads.faults()
    yield judge("refused, wrong, missing or doubled", faults, "{:.0f}", dict.fromkeys(faults, 0.0))


def gain(ratio: float, cores: int | None = None) -> Row:
    """Build the line of what a second worker brings; it is judged only where there are cores for it."""
    enough = (cores or os.cpu_count() or 1) >= CORES
    missed = (WORKERS,) if round(ratio, 2) < GAIN else ()
    target = f">= {GAIN}" if enough else f"(>= {GAIN} from {CORES} cores on)"
    return Row("jobs/s of 2 workers, to 1", {WORKERS: f"{ratio:.2f}"}, target, missed if enough else None)
