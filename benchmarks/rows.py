"""The table: a line for each thing measured, its target beside it, and whether it holds. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.summary import Figure, Memory, Result, Window, middle, ratios

RATIO_TARGETS = {8: 2.0, 32: 1.7}
"""Most CPU of the sidecar per completed job, as a multiple of the relay's, by number of clients."""

STATEMENT_TARGETS = {1: 4.0, 32: 0.3}
"""Most SQL statements per job and service, by number of clients: alone, and when commits go in groups."""

WAL_TARGET = 3000.0
"""Most bytes of write-ahead log per job."""

TELLING_TARGET = 0.08
"""Most that the log and the metrics may take of the sidecar's CPU per job."""

FLAT = 1.05
"""Most that memory may grow over a long run, as a multiple of what it is once a fifth of the jobs is done."""


ONCE = 0
"""The column of what is not measured by number of clients."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a text for each number of clients, or one text. ``holds`` is None where there is no target."""

    name: str
    values: dict[int, str]
    target: str = ""
    missed: tuple[int, ...] | None = None

    @property
    def holds(self) -> bool | None:
        """Whether every target of this line holds."""
        return None if self.missed is None else not self.missed


Value = Callable[[Window], float]

_TIMES = "{:.1f} / {:.1f} / {:.1f} ms"


def _milliseconds(what: str) -> tuple[Value, ...]:
    """Read the percentiles of a window's times."""
    names = [f"{what}_p{percent}" for percent in (50, 95, 99)]
    return tuple(lambda window, name=name: 1e3 * float(getattr(window, name)) for name in names)


def rows(result: Result) -> list[Row]:
    """Build the table."""
    flow = _flow(result) if result.windows else []
    return [*flow, *map(figure_row, result.figures)]


def figure_row(figure: Figure) -> Row:
    """Build the line of one number."""
    bounds = (("<=", figure.most), (">=", figure.least))
    target = ", ".join(f"{sign} {figure.form.format(bound)}" for sign, bound in bounds if bound is not None)
    missed = None if figure.holds is None else () if figure.holds else (ONCE,)
    return Row(figure.name, {ONCE: figure.form.format(figure.value)}, target, missed)


def _flow(result: Result) -> list[Row]:
    loads = _Loads(result.windows)
    wal_targets = dict.fromkeys(loads.clients, WAL_TARGET)
    table = [
        *loads.both("completed jobs/s", "{:,.0f}", lambda w: w.completed / w.seconds),
        *loads.both("CPU per job", "{:.0f} us", lambda w: w.per_job(w.cpu) * 1e6),
        _ratio(result.windows, loads.clients),
        loads.judged("SQL statements per job", "{:.2f}", lambda w: w.written.per_job_statements, STATEMENT_TARGETS),
        loads.judged("WAL per job with its bodies", "{:,.0f} B", lambda w: w.written.per_job_wal, wal_targets),
        loads.row("sidecar", "Postgres CPU per job", "{:.0f} us", lambda w: w.per_job(w.postgres_cpu) * 1e6),
        *_telling(result.telling, loads),
        *loads.both("accept, p50 / p95 / p99", _TIMES, *_milliseconds("accept")),
        *loads.both("whole job, p50 / p95 / p99", _TIMES, *_milliseconds("job")),
        *loads.both("CPU that other programs took", "{:.0%}", lambda w: w.others),
        _faults(result, loads.clients),
    ]
    return [*table, _memory(result.memory)] if result.memory is not None else table


def _telling(seconds: float | None, loads: "_Loads") -> list[Row]:
    """Build the line of what log and metrics take, where that was measured."""
    if seconds is None:
        return []
    name = f"log and metrics of CPU per job ({seconds * 1e6:.0f} us)"
    targets = dict.fromkeys(loads.clients, TELLING_TARGET)
    return [loads.judged(name, "{:.1%}", lambda w: seconds / w.per_job(w.cpu) if w.cpu else 0.0, targets)]


def all_hold(table: Iterable[Row]) -> bool:
    """Tell whether no target is missed."""
    return all(row.holds is not False for row in table)


class _Loads:
    """Lines of medians over the windows."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._windows = tuple(windows)
        self.clients = sorted({window.clients for window in self._windows})

    def row(self, target: str, name: str, form: str, *values: Value) -> Row:
        """Build a line without a target."""
        told = {n: form.format(*(self._middle(target, n, value) for value in values)) for n in self.clients}
        return Row(f"{target}: {name}", told)

    def both(self, name: str, form: str, *values: Value) -> tuple[Row, Row]:
        """Build a line for the relay and one for the sidecar."""
        return self.row("relay", name, form, *values), self.row("sidecar", name, form, *values)

    def judged(self, name: str, form: str, value: Value, targets: dict[int, float]) -> Row:
        """Build a line for the sidecar that is compared with targets."""
        measured = {n: self._middle("sidecar", n, value) for n in self.clients}
        return judge(f"sidecar: {name}", measured, form, targets)

    def _middle(self, target: str, clients: int, value: Value) -> float:
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
    return "\n".join(f"<= {bound} at {clients}" for clients, bound in bounds.items())


def _ratio(windows: Iterable[Window], loads: Iterable[int]) -> Row:
    known = tuple(windows)
    found = {n: pairs for n in loads if (pairs := ratios(known, n))}
    row = judge(
        "CPU per job, sidecar to relay", {n: median(pairs) for n, pairs in found.items()}, "{:.2f}", RATIO_TARGETS
    )
    spread = {n: f"{row.values[n]} ({min(pairs):.2f} to {max(pairs):.2f})" for n, pairs in found.items()}
    return replace(row, values=spread)


def _faults(result: Result, loads: Iterable[int]) -> Row:
    measured = {n: float(sum(window.faults for window in result.windows if window.clients == n)) for n in loads}
    if result.memory is not None:
        measured[result.memory.clients] = measured.get(result.memory.clients, 0.0) + result.memory.faults
    return judge("refused, wrong, missing or doubled", measured, "{:.0f}", dict.fromkeys(measured, 0.0))


def _memory(memory: Memory) -> Row:
    jobs, rss = memory.samples[-1]
    clients = memory.clients
    text = f"{rss / 2**20:.0f} MiB, x{memory.growth:.3f}\n({jobs:,} jobs)"
    return Row("sidecar: resident memory", {clients: text}, f"<= x{FLAT}", (clients,) if memory.growth > FLAT else ())
