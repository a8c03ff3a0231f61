"""Single numbers with their targets, and what is made of many: percentiles. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one run, and how it is written. ``most`` and ``least`` are its target, if it has one."""

    name: str
    value: float
    form: str
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target holds, of the number as it is shown to two digits; None without one."""
        if self.most is None and self.least is None:
            return None
        shown = round(self.value, 2)
        return (self.most is None or shown <= self.most) and (self.least is None or shown >= self.least)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values; 0 when there are none."""
    if not ordered:
        return 0.0
    rank = -(-percent * len(ordered) // 100)
    return ordered[max(0, int(rank) - 1)]
