"""Small jobs that come at even intervals, whatever became of the others: how long answers and results take then.

A closed loop hides waiting: a caller who waits sends nothing. Here times count from when a
request should have been sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from pathlib import Path

from benchmarks.flow.meter import Rounds
from benchmarks.flow.rows import Loads, jobs_per_second, milliseconds
from benchmarks.flow.site import Pair, open_pair
from benchmarks.flow.summary import Window, cpu_per_job
from benchmarks.kit.report import Chart, Report, Tell
from benchmarks.kit.rows import Row, judge
from benchmarks.kit.site import Target
from sidecar.dev.postgres import EmbeddedPostgres

PEAK_CLIENTS = 32
PARTS = (0.25, 0.5, 0.75)
"""Rates, as parts of the sidecar's peak."""

JUDGED = 0.5
ACCEPT_P99 = 3.0
"""Most that the slowest hundredth of answers may take at half of the peak, as a multiple of the relay's."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Jobs that relay and sidecar complete in a second in a closed loop."""

    relay: float
    sidecar: float


@dataclass(frozen=True, slots=True)
class Offer:
    """One column: how many jobs a second relay and sidecar are offered."""

    column: str
    relay: float
    sidecar: float


def offers(peaks: Peaks) -> tuple[Offer, ...]:
    """Choose the rates: the same for both, and for each the half of its own peak."""
    return (*(same(part, peaks.sidecar) for part in PARTS), own_half(peaks))


def same(part: float, peak: float) -> Offer:
    """Offer both a part of one peak."""
    return Offer(f"{part:.0%}, {part * peak:,.0f} jobs/s", part * peak, part * peak)


def own_half(peaks: Peaks) -> Offer:
    """Offer each the half of its own peak."""
    relay, sidecar = JUDGED * peaks.relay, JUDGED * peaks.sidecar
    return Offer(f"half of its own, {relay:,.0f} and {sidecar:,.0f} jobs/s", relay, sidecar)


async def measure_offered(server: EmbeddedPostgres, directory: Path, plan: Rounds, tell: Tell) -> Report:
    """Find the peaks, then offer parts of them to relay and sidecar in turn."""
    async with open_pair(server, directory, tell) as pair:
        peaks = Peaks(await _peak(pair, pair.relay, plan), await _peak(pair, pair.sidecar, plan))
        windows = await _windows(pair, plan, peaks)
    return report(windows, peaks)


async def _peak(pair: Pair, target: Target, plan: Rounds) -> float:
    peak = 0.0
    for number in range(2):  # the first one warms everything up
        name = f"offered: peak of the {target.name}, {number + 1}/2"
        load = {"clients": PEAK_CLIENTS, "size": plan.size}
        peak = jobs_per_second(await pair.meter.window(target, "peak", plan.stretch, name=name, **load))
    return peak


async def _windows(pair: Pair, plan: Rounds, peaks: Peaks) -> list[Window]:
    found: list[Window] = []
    for number, offer in product(range(plan.count), offers(peaks)):
        for target, rate in ((pair.relay, offer.relay), (pair.sidecar, offer.sidecar)):
            name = f"offered: round {number + 1}/{plan.count}, {rate:,.0f} jobs/s: {target.name}"
            load = {"rate": rate, "size": plan.size}
            found.append(await pair.meter.window(target, offer.column, plan.stretch, name=name, **load))
    return found


def report(windows: Sequence[Window], peaks: Peaks) -> Report:
    """Build the section."""
    loads = Loads(windows)
    judged = [offer.column for offer in offers(peaks) if offer.sidecar == JUDGED * peaks.sidecar]
    return Report(
        f"small jobs, offered at even intervals; parts of the sidecar's peak of {peaks.sidecar:,.0f} jobs/s",
        tuple(loads.columns),
        tuple(_lines(loads, judged)),
        {"peaks": peaks, "windows": tuple(windows)},
        (_chart(loads),),
    )


def _lines(loads: Loads, judged: Sequence[str]) -> Iterator[Row]:
    yield from loads.both("completed jobs/s", "{:,.0f}", jobs_per_second)
    times = "{:.1f} / {:.1f} / {:.1f} ms"
    yield from loads.both("accept, p50 / p95 / p99", times, *milliseconds("accept"))
    yield from loads.both("whole job, p50 / p95 / p99", times, *milliseconds("job"))
    yield loads.ratio(
        "accept p99, sidecar to relay", lambda window: window.accept_p99, dict.fromkeys(judged, ACCEPT_P99)
    )
    yield loads.ratio("CPU per job, sidecar to relay", cpu_per_job, {})
    yield from loads.both("CPU that other programs took", "{:.0%}", lambda window: window.others)
    faults = loads.faults()
    yield judge("refused, wrong, missing or doubled", faults, "{:.0f}", dict.fromkeys(faults, 0.0))


def _chart(loads: Loads) -> Chart:
    def line(target: str, percent: int) -> tuple[float, ...]:
        return tuple(1e3 * loads.middle(target, at, attrgetter(f"accept_p{percent}")) for at in loads.columns)

    series = {f"{target}, p{percent}": line(target, percent) for target in ("relay", "sidecar") for percent in (50, 99)}
    return Chart("Time to the 202, by offered rate", tuple(loads.columns), series, "ms")
