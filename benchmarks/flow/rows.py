"""The tables of small jobs: a line for each thing measured, with its target. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.flow.summary import Memory, Window, cpu_per_job, middle, ratios
from benchmarks.kit.report import Chart, Report
from benchmarks.kit.rows import Row, judge

RATIO_TARGETS: Mapping[str, float] = {"8 clients": 1.6, "32 clients": 1.45}
"""Most CPU of the sidecar per completed job, as a multiple of the relay's, by number of clients."""

STATEMENT_TARGETS: Mapping[str, float] = {"1 client": 4.0, "32 clients": 0.3}
"""Most SQL statements per job and service, by number of clients: alone, and when commits go in groups."""

WAL_TARGET = 3000.0
"""Most bytes of write-ahead log per job."""

TELLING_TARGET = 0.08
"""Most that the log and the metrics may take of the sidecar's CPU per job."""

FLAT = 1.05
"""Most that memory may grow over a long run, as a multiple of what it is once a fifth of the jobs is done."""

Value = Callable[[Window], float]

_TIMES = "{:.1f} / {:.1f} / {:.1f} ms"


def milliseconds(what: str) -> tuple[Value, ...]:
    """Read the percentiles of a window's times: of "accept", or of a whole "job"."""
    names = [f"{what}_p{percent}" for percent in (50, 95, 99)]
    return tuple(lambda window, name=name: 1e3 * float(getattr(window, name)) for name in names)


def report(windows: Sequence[Window], *, memory: Memory | None, telling: float | None) -> Report:
    """Build the section on relay and sidecar in a closed loop.

    Args:
        windows: What was measured.
        memory: The long run, if there was one.
        telling: CPU seconds that the log and the metrics of one job take, if that was measured.
    """
    loads = Loads(windows)
    table = [*_lines(loads, telling), _faults(loads, memory), *([_memory(memory)] if memory else [])]
    data = {"windows": windows, "memory": memory, "telling": telling}
    return Report("small jobs, callers in a closed loop", tuple(loads.columns), tuple(table), data, _charts(loads))


class Loads:
    """Lines of medians over the windows."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.windows = tuple(windows)
        self.columns = list(dict.fromkeys(window.load for window in self.windows))

    def row(self, target: str, name: str, form: str, *values: Value) -> Row:
        """Build a line without a target."""
        told = {at: form.format(*(self.middle(target, at, value) for value in values)) for at in self.columns}
        return Row(f"{target}: {name}", told)

    def both(self, name: str, form: str, *values: Value) -> tuple[Row, Row]:
        """Build a line for the relay and one for the sidecar."""
        return self.row("relay", name, form, *values), self.row("sidecar", name, form, *values)

    def judged(self, name: str, form: str, value: Value, targets: Mapping[str, float]) -> Row:
        """Build a line for the sidecar that is compared with targets."""
        measured = {at: self.middle("sidecar", at, value) for at in self.columns}
        return judge(f"sidecar: {name}", measured, form, targets)

    def ratio(self, name: str, value: Value, targets: Mapping[str, float]) -> Row:
        """Build a line of the sidecar's value as a multiple of the relay's, with its spread."""
        found = {at: pairs for at in self.columns if (pairs := ratios(self.windows, at, value))}
        row = judge(name, {at: median(pairs) for at, pairs in found.items()}, "{:.2f}", targets)
        spread = {at: f"{row.values[at]} ({min(pairs):.2f} to {max(pairs):.2f})" for at, pairs in found.items()}
        return replace(row, values=spread)

    def faults(self) -> dict[str, float]:
        """Count what did not go as it should."""
        return {at: float(sum(window.faults for window in self.windows if window.load == at)) for at in self.columns}

    def middle(self, target: str, column: str, value: Value) -> float:
        """Take the median."""
        return middle(self.windows, target=target, load=column, value=value)


def jobs_per_second(window: Window) -> float:
    """Completed jobs in a second."""
    return window.completed / window.seconds


def _lines(loads: Loads, telling: float | None) -> Iterable[Row]:
    wal_targets = dict.fromkeys(loads.columns, WAL_TARGET)
    yield from loads.both("completed jobs/s", "{:,.0f}", jobs_per_second)
    yield from loads.both("CPU per job", "{:.0f} us", lambda w: cpu_per_job(w) * 1e6)
    yield loads.ratio("CPU per job, sidecar to relay", cpu_per_job, RATIO_TARGETS)
    yield loads.judged("SQL statements per job", "{:.2f}", lambda w: w.written.per_job_statements, STATEMENT_TARGETS)
    yield loads.judged("WAL per job with its bodies", "{:,.0f} B", lambda w: w.written.per_job_wal, wal_targets)
    yield loads.row("sidecar", "Postgres CPU per job", "{:.0f} us", lambda w: w.per_job(w.postgres_cpu) * 1e6)
    if telling is not None:
        name, targets = f"log and metrics of CPU per job ({telling * 1e6:.0f} us)", TELLING_TARGET
        part = dict.fromkeys(loads.columns, targets)
        yield loads.judged(name, "{:.1%}", lambda w: telling / w.per_job(w.cpu) if w.cpu else 0.0, part)
    yield from loads.both("accept, p50 / p95 / p99", _TIMES, *milliseconds("accept"))
    yield from loads.both("whole job, p50 / p95 / p99", _TIMES, *milliseconds("job"))
    yield from loads.both("CPU that other programs took", "{:.0%}", lambda w: w.others)


def _faults(loads: Loads, memory: Memory | None) -> Row:
    measured = loads.faults()
    if memory is not None:
        measured[memory.load] = measured.get(memory.load, 0.0) + memory.faults
    return judge("refused, wrong, missing or doubled", measured, "{:.0f}", dict.fromkeys(measured, 0.0))


def _memory(memory: Memory) -> Row:
    jobs, rss = memory.samples[-1]
    text = f"{rss / 2**20:.0f} MiB, x{memory.growth:.3f}\n({jobs:,} jobs)"
    return Row(
        "sidecar: resident memory", {memory.load: text}, f"<= x{FLAT}", (memory.load,) if memory.growth > FLAT else ()
    )


def _charts(loads: Loads) -> tuple[Chart, ...]:
    def bars(title: str, unit: str, value: Value) -> Chart:
        series = {
            target: tuple(loads.middle(target, at, value) for at in loads.columns) for target in ("relay", "sidecar")
        }
        return Chart(title, tuple(loads.columns), series, unit)

    return (
        bars("CPU per completed job", "us", lambda window: cpu_per_job(window) * 1e6),
        bars("Completed jobs a second", "jobs/s", jobs_per_second),
    )
