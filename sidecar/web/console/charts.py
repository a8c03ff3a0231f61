"""Charts as numbers: what a page needs to draw an hour of minutes as SVG. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sidecar.model.overview import Minute

Wanted = tuple[str, str, Callable[[Minute], int]]
"""A name, a colour, and how to read the count of a minute."""

MINUTES = 60
WIDTH, HEIGHT = 600.0, 120.0
GAP = 2.0  # between bars
LEAST_TOP = 5
STEPS = (10, 15, 20, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of a bar chart."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn in one colour: bars, or a line with the area below it."""

    name: str
    kind: str  # of its colour
    bars: tuple[Bar, ...] = ()
    line: str = ""
    area: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the last hour; ``summary`` says in words what it shows."""

    title: str
    summary: str
    series: tuple[Series, ...]
    top: int  # the value at the upper edge
    begins: datetime
    ends: datetime


def hour(minutes: Sequence[Minute], now: datetime) -> list[Minute]:
    """Fill the last hour up: in a minute of which nobody told, nothing was done."""
    last = now.replace(second=0, microsecond=0)
    known = {one.minute: one for one in minutes}
    ago = [last - timedelta(minutes=MINUTES - 1 - place) for place in range(MINUTES)]
    return [known.get(minute, Minute(minute, 0, 0, 0, 0, None, None)) for minute in ago]


def bar_chart(title: str, minutes: Sequence[Minute], wanted: Sequence[Wanted], *, line: Wanted | None = None) -> Chart:
    """Draw counts a minute as bars, side by side, and one as a line over them."""
    over = [] if line is None else [line]
    counts = [[read(one) for one in minutes] for _, _, read in (*wanted, *over)]
    top = round_up(max(map(max, counts), default=0))
    slot = WIDTH / max(len(minutes), 1)
    width = (slot - GAP) / len(wanted)
    series = [
        Series(
            name,
            kind,
            bars=tuple(_bar(place * slot + index * width, width, value, top) for place, value in enumerate(row)),
        )
        for index, ((name, kind, _), row) in enumerate(zip(wanted, counts, strict=False))
    ]
    series += [Series(name, kind, line=_points(counts[-1], top, begin=slot / 2, step=slot)) for name, kind, _ in over]
    told = [
        f"{one.name}: {sum(row)} in the last hour, at most {max(row)} a minute"
        for one, row in zip(series, counts, strict=True)
    ]
    return Chart(title, "; ".join(told), tuple(series), top, minutes[0].minute, minutes[-1].minute)


def line_chart(
    title: str, minutes: Sequence[Minute], wanted: Sequence[tuple[str, str, Callable[[Minute], int | None]]]
) -> Chart:
    """Draw levels, minute by minute; where nobody told one, the last one holds."""
    levels = [_held([read(one) for one in minutes]) for _, _, read in wanted]
    top = round_up(max(map(max, levels), default=0))
    series = []
    for (name, kind, _), row in zip(wanted, levels, strict=True):
        step = WIDTH / max(len(row) - 1, 1)
        points = _points(row, top, begin=0.0, step=step)
        series.append(Series(name, kind, line=points, area=f"0,{HEIGHT:.0f} {points} {WIDTH:.0f},{HEIGHT:.0f}"))
    told = [
        f"{name}: {row[-1]} now, at most {max(row)} in the last hour"
        for (name, *_), row in zip(wanted, levels, strict=True)
    ]
    return Chart(title, "; ".join(told), tuple(series), top, minutes[0].minute, minutes[-1].minute)


def round_up(value: int) -> int:
    """Choose a round number that is not smaller, and at least 5."""
    if value <= LEAST_TOP:
        return LEAST_TOP
    scale = 1
    while value > STEPS[-1] * scale:
        scale *= 10
    return next(step * scale for step in STEPS if value <= step * scale)


def _held(values: Sequence[int | None]) -> list[int]:
    known, held = next((value for value in values if value is not None), 0), []
    for value in values:
        known = known if value is None else value
        held.append(known)
    return held


def _points(values: Sequence[int], top: int, *, begin: float, step: float) -> str:
    return " ".join(f"{begin + place * step:.1f},{_height(value, top):.1f}" for place, value in enumerate(values))


def _bar(x: float, width: float, value: int, top: int) -> Bar:
    y = _height(value, top)
    return Bar(round(x, 2), round(y, 2), round(width, 2), round(HEIGHT - y, 2))


def _height(value: int, top: int) -> float:
    return HEIGHT - HEIGHT * value / top
