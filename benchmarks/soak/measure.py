"""An even load for as long as one likes, sampled: memory, times, dead rows, sizes of tables and indexes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks.flow.meter import Meter, faults_of
from benchmarks.flow.rows import FLAT
from benchmarks.flow.site import open_site
from benchmarks.kit.database import connection
from benchmarks.kit.report import Chart, Report, Tell
from benchmarks.kit.rows import Row
from benchmarks.kit.site import Target, run_sidecars
from sidecar.dev.postgres import EmbeddedPostgres

SAMPLES = 40
THIRDS = ("first third", "second third", "last third")
_TABLES = Path(__file__).with_name("tables.sql").read_text()


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, in seconds, and how many jobs a second."""

    seconds: float
    rate: float
    size: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Times in seconds, sizes in bytes; ``dead`` and ``live`` are rows, ``faults`` since the last look."""

    minute: float
    completed: int
    rss: int
    cpu: float
    accept_p50: float
    accept_p99: float
    job_p50: float
    job_p99: float
    live: int
    dead: int
    tables: int
    indexes: int
    vacuums: int
    faults: int


async def measure_soak(server: EmbeddedPostgres, directory: Path, plan: Plan, tell: Tell) -> Report:
    """Offer the load and look at even intervals."""
    async with (
        open_site(server, directory, tell) as site,
        run_sidecars(directory, site.dsn, site.service) as sidecar,
        connection(site.dsn) as direct,
    ):
        return report(await _samples(site.meter, sidecar, direct, plan), plan.rate)


async def _samples(
    meter: Meter, sidecar: Target, direct: "asyncpg.Connection[asyncpg.Record]", plan: Plan
) -> tuple[Sample, ...]:
    found: list[Sample] = []
    await meter.start(sidecar, rate=plan.rate, size=plan.size)
    for number in range(SAMPLES):
        cpu = sidecar.cpu_seconds()
        await meter.pause(f"soak: {number / SAMPLES:.0%} of {plan.seconds / 60:.0f} min", plan.seconds / SAMPLES)
        told = await meter.peer.order("mark")
        row = await direct.fetchrow(_TABLES)
        found.append(
            Sample(
                minute=(number + 1) * plan.seconds / SAMPLES / 60,
                completed=told["completed"],
                rss=sidecar.resident_bytes(),
                cpu=(sidecar.cpu_seconds() - cpu) / max(1, told["completed"]),
                faults=sum(faults_of(told).values()),
                **{name: told[name] for name in ("accept_p50", "accept_p99", "job_p50", "job_p99")},
                **dict(row or {}),
            )
        )
    await meter.peer.order("stop")
    return tuple(found)


def report(samples: Sequence[Sample], rate: float) -> Report:
    """Build the section: medians of each third, and curves."""
    parts = _thirds(samples)
    grown = median(one.rss for one in parts[THIRDS[2]]) / median(one.rss for one in parts[THIRDS[0]])
    lines = (
        _line(parts, "sidecar: resident memory", "{:.1f} MiB", lambda one: one.rss / 2**20),
        _line(parts, "sidecar: CPU per job", "{:.0f} us", lambda one: one.cpu * 1e6),
        _line(parts, "accept, p50", "{:.1f} ms", lambda one: one.accept_p50 * 1e3),
        _line(parts, "accept, p99", "{:.1f} ms", lambda one: one.accept_p99 * 1e3),
        _line(parts, "whole job, p50", "{:.1f} ms", lambda one: one.job_p50 * 1e3),
        _line(parts, "whole job, p99", "{:.1f} ms", lambda one: one.job_p99 * 1e3),
        _line(parts, "dead rows", "{:,.0f}", lambda one: one.dead),
        _line(parts, "dead rows to live ones", "{:.1%}", lambda one: one.dead / max(1, one.live)),
        _line(parts, "indexes", "{:,.0f} MiB", lambda one: one.indexes / 2**20),
        _line(parts, "indexes, bytes of a row", "{:,.0f} B", lambda one: one.indexes / max(1, one.live)),
        Row(
            "memory, last third to first",
            {THIRDS[2]: f"x{grown:.3f}"},
            f"<= x{FLAT}",
            (THIRDS[2],) if round(grown, 2) > FLAT else (),
        ),
        _faults(parts),
    )
    minutes, jobs = samples[-1].minute, sum(one.completed for one in samples)
    title = f"soak: {rate:,.0f} jobs/s for {minutes:.0f} min, {jobs:,} jobs"
    return Report(title, THIRDS, lines, {"samples": tuple(samples)}, _charts(samples))


def _thirds(samples: Sequence[Sample]) -> dict[str, Sequence[Sample]]:
    size = max(1, len(samples) // 3)
    return dict(zip(THIRDS, (samples[:size], samples[size : -size or None], samples[-size:]), strict=True))


def _line(parts: Mapping[str, Sequence[Sample]], name: str, form: str, value: Callable[[Sample], float]) -> Row:
    return Row(name, {part: form.format(median(map(value, some))) for part, some in parts.items() if some})


def _faults(parts: Mapping[str, Sequence[Sample]]) -> Row:
    counts = {part: sum(one.faults for one in some) for part, some in parts.items()}
    missed = tuple(part for part, count in counts.items() if count)
    values = {part: str(count) for part, count in counts.items()}
    return Row("refused, wrong, missing or doubled", values, "<= 0", missed)


def _charts(samples: Sequence[Sample]) -> tuple[Chart, ...]:
    places = tuple(f"{one.minute:.0f} min" for one in samples)

    def curve(title: str, unit: str, **series: Callable[[Sample], float]) -> Chart:
        told = {name.replace("_", " "): tuple(map(value, samples)) for name, value in series.items()}
        return Chart(title, places, told, unit, lines=True)

    return (
        curve("Soak: resident memory", "MiB", sidecar=lambda one: one.rss / 2**20),
        curve(
            "Soak: times",
            "ms",
            accept_p99=lambda one: one.accept_p99 * 1e3,
            whole_job_p99=lambda one: one.job_p99 * 1e3,
        ),
        curve("Soak: dead rows", "rows", dead=lambda one: float(one.dead)),
        curve("Soak: indexes", "MiB", indexes=lambda one: one.indexes / 2**20),
    )
