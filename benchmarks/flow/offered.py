"""Small jobs that come at even intervals, whatever became of the others: how long answers and results take then.

A closed loop hides waiting: a caller who waits sends nothing. Here times count from when a
request should have been sent.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from operator import attrgetter
from pathlib import Path

from benchmarks.flow.meter import Rounds
from benchmarks.flow.rows import Loads, jobs_per_second, milliseconds
from benchmarks.flow.site import Pair, open_pair
from benchmarks.flow.summary import Window, cpu_per_job
from benchmarks.kit.report import Chart, Report, Tell
from benchmarks.kit.rows import Row, judge
from sidecar.dev.postgres import EmbeddedPostgres

PEAK_CLIENTS = 32
PARTS = (0.25, 0.5, 0.75)
"""Rates, as parts of the sidecar's peak."""

JUDGED = 0.5
ACCEPT_P99 = 3.0
"""Most that the slowest hundredth of answers may take at half of the peak, as a multiple of the relay's."""


async def measure_offered(server: EmbeddedPostgres, directory: Path, plan: Rounds, tell: Tell) -> Report:
    """Find the sidecar's peak, then offer parts of it to relay and sidecar in turn."""
    async with open_pair(server, directory, tell) as pair:
        peaks = [await _peak(pair, plan, number) for number in range(2)]
        peak = jobs_per_second(peaks[-1])  # the first one warms everything up
        windows = await _windows(pair, plan, peak)
    return report(windows, peak)


async def _peak(pair: Pair, plan: Rounds, number: int) -> Window:
    name = f"offered: the sidecar's peak, {number + 1}/2"
    return await pair.meter.window(pair.sidecar, "peak", plan.stretch, name=name, clients=PEAK_CLIENTS, size=plan.size)


async def _windows(pair: Pair, plan: Rounds, peak: float) -> list[Window]:
    found: list[Window] = []
    for number, part in product(range(plan.count), PARTS):
        for target in (pair.relay, pair.sidecar):
            name = f"offered: round {number + 1}/{plan.count}, {part:.0%} of the peak: {target.name}"
            load = {"rate": part * peak, "size": plan.size}
            found.append(await pair.meter.window(target, column_of(part, peak), plan.stretch, name=name, **load))
    return found


def column_of(part: float, peak: float) -> str:
    """Name the column of a rate."""
    return f"{part:.0%}, {part * peak:,.0f} jobs/s"


def report(windows: Sequence[Window], peak: float) -> Report:
    """Build the section; ``peak`` is the sidecar's, in jobs a second."""
    loads = Loads(windows)
    return Report(
        f"small jobs, offered at even intervals; parts of the sidecar's peak of {peak:,.0f} jobs/s",
        tuple(loads.columns),
        tuple(_lines(loads, column_of(JUDGED, peak))),
        {"peak": peak, "windows": tuple(windows)},
        (_chart(loads),),
    )


def _lines(loads: Loads, judged: str) -> Iterator[Row]:
    yield from loads.both("completed jobs/s", "{:,.0f}", jobs_per_second)
    times = "{:.1f} / {:.1f} / {:.1f} ms"
    yield from loads.both("accept, p50 / p95 / p99", times, *milliseconds("accept"))
    yield from loads.both("whole job, p50 / p95 / p99", times, *milliseconds("job"))
    yield loads.ratio("accept p99, sidecar to relay", lambda window: window.accept_p99, {judged: ACCEPT_P99})
    yield loads.ratio("CPU per job, sidecar to relay", cpu_per_job, {})
    yield from loads.both("CPU that other programs took", "{:.0%}", lambda window: window.others)
    faults = loads.faults()
    yield judge("refused, wrong, missing or doubled", faults, "{:.0f}", dict.fromkeys(faults, 0.0))


def _chart(loads: Loads) -> Chart:
    def line(target: str, percent: int) -> tuple[float, ...]:
        return tuple(1e3 * loads.middle(target, at, attrgetter(f"accept_p{percent}")) for at in loads.columns)

    series = {f"{target}, p{percent}": line(target, percent) for target in ("relay", "sidecar") for percent in (50, 99)}
    return Chart("Time to the 202, by offered rate", tuple(loads.columns), series, "ms")
