"""The lines of a table: each thing measured, its target beside it, and whether it holds. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.kit.figures import Figure

ONCE = ""
"""The column of what was measured once."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a text for each column that it has, by their titles.

    ``missed`` are the columns that miss the target; None without one.
    """

    name: str
    values: Mapping[str, str]
    target: str = ""
    missed: tuple[str, ...] | None = None

    @property
    def holds(self) -> bool | None:
        """Whether every target of this line holds; None without one."""
        return None if self.missed is None else not self.missed


def figure_row(figure: Figure) -> Row:
    """Build the line of one number."""
    bounds = (("<=", figure.most), (">=", figure.least))
    target = ", ".join(f"{sign} {figure.form.format(bound)}" for sign, bound in bounds if bound is not None)
    missed = None if figure.holds is None else () if figure.holds else (ONCE,)
    return Row(figure.name, {ONCE: figure.form.format(figure.value)}, target, missed)


def judge(name: str, measured: Mapping[str, float], form: str, targets: Mapping[str, float]) -> Row:
    """Compare values with the most they may be; a value is rounded to two digits first, as it is shown."""
    judged = {column: bound for column, bound in targets.items() if column in measured}
    missed = tuple(column for column, bound in judged.items() if round(measured[column], 2) > bound)
    told = _told({column: form.format(bound) for column, bound in judged.items()}, len(measured))
    values = {column: form.format(value) for column, value in measured.items()}
    return Row(name, values, told, missed if judged else None)


def all_hold(table: Iterable[Row]) -> bool:
    """Tell whether no target is missed."""
    return all(row.holds is not False for row in table)


def _told(bounds: Mapping[str, str], columns: int) -> str:
    """Say one bound for all columns, or which holds where."""
    if len(bounds) == columns and len(set(bounds.values())) == 1:
        return f"<= {next(iter(bounds.values()))}"
    return "\n".join(f"<= {bound} at {column}" for column, bound in bounds.items())
