"""What one section of the benchmark has to tell: a table, the same for programs, and curves for the picture."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.kit.figures import Figure
from benchmarks.kit.rows import ONCE, Row, figure_row

Tell = Callable[[str, float], None]
"""Shows progress: what is being done, and how far this step is, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: named series over the same places, as bars or, with ``lines``, as curves."""

    title: str
    places: tuple[str, ...]
    series: Mapping[str, tuple[float, ...]]
    unit: str
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One section's findings: the columns of its table by their titles, its lines, and all that was measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    data: Any
    charts: tuple[Chart, ...] = ()


def report_of(title: str, figures: Iterable[Figure]) -> Report:
    """Report single numbers."""
    told = tuple(figures)
    return Report(title, (ONCE,), tuple(map(figure_row, told)), told)
