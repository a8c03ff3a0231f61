"""Templates, and how pages say times and numbers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sidecar import __version__
from sidecar.model.story import Mood
from sidecar.settings.units import render_duration

CAPPED = 10_000
GOOD = frozenset({"done", "delivered", "closed", "succeeded"})
BAD = frozenset({"failed", "refused", "open"})
WAITING = frozenset({"retrying", "pending", "paused", "held", "delivering", "running"})


def make_templates() -> Environment:
    """Load the templates of the package; what they show is escaped."""
    templates = Environment(
        loader=PackageLoader("sidecar.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(
        stamp=stamp,
        ago=ago,
        age=age,
        count=count,
        mood=mood,
        seconds=seconds,
        clock=clock,
        short=short,
        options=options,
    )
    templates.globals.update(version=__version__)
    return templates


def stamp(at: datetime | None) -> str:
    """Write a time to the second, in UTC."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(at: datetime) -> str:
    """Write the time of day to the minute, in UTC."""
    return at.astimezone(UTC).strftime("%H:%M")


def ago(at: datetime | None, now: datetime) -> str:
    """Say how far a time is from now, roughly."""
    if at is None:
        return ""
    return f"in {age(at, now)}" if at > now else f"{age(at, now)} ago"


def age(at: datetime | None, now: datetime) -> str:
    """Say how long it is between a time and now, roughly."""
    if at is None:
        return ""
    between = abs((at - now).total_seconds())
    unit = next((unit for least, unit in ((172_800, 3600), (3600, 60)) if between >= least), 1)
    return render_duration(float(int(between) // unit * unit))


def seconds(value: float | None) -> str:
    """Say how long something took."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def count(number: int) -> str:
    """Say a number that is counted up to a bound."""
    return f"{number:,}+" if number >= CAPPED else f"{number:,}"


def short(job_id: Any) -> str:
    """Shorten the id of a job to what tells it apart from its neighbours."""
    text = str(job_id)
    return f"{text[:8]}…{text[-6:]}"


def options(values: Iterable[str]) -> list[tuple[str, str]]:
    """Offer these values, and none of them."""
    return [("", "any"), *((str(value), str(value)) for value in values)]


def mood(state: str) -> str:
    """Tell whether a state is good news."""
    if state in GOOD:
        return Mood.GOOD
    if state in BAD:
        return Mood.BAD
    return Mood.WAITING if state in WAITING else Mood.PLAIN
