"""The table: a line for each thing measured, its target beside it, and whether it holds. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from benchmarks.summary import Memory, Result, Window, middle, ratios

RATIO_TARGETS = {8: 2.0, 32: 1.7}
"""Most CPU of the sidecar per completed job, as a multiple of the relay's, by number of clients."""

STATEMENT_TARGETS = {1: 4.0, 32: 0.3}
"""Most SQL statements per job and service, by number of clients: alone, and when commits go in groups."""

WAL_TARGET = 3000.0
"""Most bytes of write-ahead log per job."""

FLAT = 1.05
"""Most that memory may grow over a long run, as a multiple of what it is once a fifth of the jobs is done."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a text for each number of clients. ``holds`` is None where there is no target."""

    name: str
    values: dict[int, str]
    target: str = ""
    missed: tuple[int, ...] | None = None

    @property
    def holds(self) -> bool | None:
        """Whether every target of this line holds."""
        return None if self.missed is None else not self.missed


def rows(result: Result) -> list[Row]:
    """Build the table."""
    loads = Loads(result.windows)
    table = [
        *loads.both("completed jobs/s", lambda w: w.completed / w.seconds, "{:,.0f}"),
        *loads.both("CPU per job", lambda w: w.per_job(w.cpu) * 1e6, "{:.0f} us"),
        _ratio(result.windows, loads.clients),
        loads.judged("SQL statements per job", lambda w: w.per_job(w.statements), "{:.2f}", STATEMENT_TARGETS),
        loads.judged("WAL per job", lambda w: w.per_job(w.wal), "{:,.0f} B", dict.fromkeys(loads.clients, WAL_TARGET)),
        loads.row("sidecar", "Postgres CPU per job", lambda w: w.per_job(w.postgres_cpu) * 1e6, "{:.0f} us"),
        *loads.both("accept p50", lambda w: w.accept_p50 * 1e3, "{:.1f} ms"),
        *loads.both("accept p99", lambda w: w.accept_p99 * 1e3, "{:.1f} ms"),
        *loads.both("whole job p50", lambda w: w.job_p50 * 1e3, "{:.1f} ms"),
        *loads.both("whole job p99", lambda w: w.job_p99 * 1e3, "{:.1f} ms"),
        _faults(result.windows, loads.clients),
    ]
    return [*table, _memory(result.memory)] if result.memory is not None else table


def all_hold(table: Iterable[Row]) -> bool:
    """Tell whether no target is missed."""
    return all(row.holds is not False for row in table)


class Loads:
    """Lines of medians over the windows."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._windows = tuple(windows)
        self.clients = sorted({window.clients for window in self._windows})

    def row(self, target: str, name: str, value: Callable[[Window], float], form: str) -> Row:
        """Build a line without a target."""
        return Row(f"{target}: {name}", {n: form.format(self._middle(target, n, value)) for n in self.clients})

    def both(self, name: str, value: Callable[[Window], float], form: str) -> tuple[Row, Row]:
        """Build a line for the relay and one for the sidecar."""
        return self.row("relay", name, value, form), self.row("sidecar", name, value, form)

    def judged(self, name: str, value: Callable[[Window], float], form: str, targets: dict[int, float]) -> Row:
        """Build a line for the sidecar whose values, as shown, must not exceed the targets."""
        measured = {n: self._middle("sidecar", n, value) for n in self.clients}
        return judge(f"sidecar: {name}", measured, form, targets)

    def _middle(self, target: str, clients: int, value: Callable[[Window], float]) -> float:
        return middle(self._windows, target=target, clients=clients, value=value)


def judge(name: str, measured: dict[int, float], form: str, targets: dict[int, float]) -> Row:
    """Compare values with their targets; a value is rounded to two digits first, as it is shown."""
    judged = {n: bound for n, bound in targets.items() if n in measured}
    missed = tuple(n for n, bound in judged.items() if round(measured[n], 2) > bound)
    told = _told({n: form.format(bound) for n, bound in judged.items()}, len(measured))
    return Row(name, {n: form.format(value) for n, value in measured.items()}, told, missed if judged else None)


def _told(bounds: dict[int, str], columns: int) -> str:
    """Say one bound for all columns, or which holds where."""
    if len(bounds) == columns and len(set(bounds.values())) == 1:
        return f"<= {next(iter(bounds.values()))}"
    return ", ".join(f"<= {bound} at {clients}" for clients, bound in bounds.items())


def _ratio(windows: Iterable[Window], loads: Iterable[int]) -> Row:
    known = tuple(windows)
    measured = {n: median(found) for n in loads if (found := ratios(known, n))}
    return judge("CPU per job, sidecar to relay", measured, "{:.2f}", RATIO_TARGETS)


def _faults(windows: Iterable[Window], loads: Iterable[int]) -> Row:
    known = tuple(windows)
    measured = {n: float(sum(window.faults for window in known if window.clients == n)) for n in loads}
    return judge("refused, wrong, missing or doubled", measured, "{:.0f}", dict.fromkeys(measured, 0.0))


def _memory(memory: Memory) -> Row:
    jobs, rss = memory.samples[-1]
    clients = memory.clients
    text = f"{rss / 2**20:.0f} MiB after {jobs:,} jobs, x{memory.growth:.3f}"
    return Row("sidecar: resident memory", {clients: text}, f"<= x{FLAT}", (clients,) if memory.growth > FLAT else ())
