"""Durations and sizes in words: ``1h30m`` is 5400.0 seconds, ``256KiB`` is 262144 bytes."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

SECOND: Final = 1.0
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0
KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

DURATION_FORMAT: Final = "duration-in-words"
SIZE_FORMAT: Final = "size-in-words"

_DURATION_PATTERN: Final = r"^\s*\d+(\.\d+)?(ms|s|m|h|d)?(\s*\d+(\.\d+)?(ms|s|m|h|d))*\s*$"
_SIZE_PATTERN: Final = r"^\s*\d+(\.\d+)?\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?\s*$"
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\s*", re.ASCII)
_SIZE_WORDS: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", re.ASCII)
_PLAIN_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BINARY: Final = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_DECIMAL: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 1000))
_BYTES: Final = {name.lower(): unit for name, unit in (*_BINARY, *_DECIMAL, ("B", 1), ("", 1))}


def parse_duration(value: Any) -> float:
    """Read a duration in words, or a number of seconds, as seconds.

    Raises:
        ValueError: ``value`` is no duration; the text says how to write one.
    """
    if isinstance(value, str):
        return _parse_duration_words(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is not a duration; write it like 15m, 1h30m, 250ms or a number of seconds")
    return float(value)


def _parse_duration_words(text: str) -> float:
    if _PLAIN_NUMBER.fullmatch(text):
        return float(text)
    position, total, smallest = 0, Decimal(0), math.inf
    while part := _DURATION_PART.match(text, position):
        unit = _MILLISECONDS[part[2]]
        if unit >= smallest:
            break
        total += Decimal(part[1]) * unit
        position, smallest = part.end(), unit
    if not position or position != len(text):
        raise ValueError(f"{text!r} is not a duration; write it like 15m, 1h30m, 250ms or 7d, the larger units first")
    return float(total / 1000)


def render_duration(seconds: float) -> str:
    """Say ``seconds`` in words that :func:`parse_duration` reads back; a single day is ``24h``."""
    left = round(seconds * 1_000_000)  # whole microseconds: beyond them a float is noise
    words: list[str] = []
    for name, unit in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        count = left // unit
        if count and (name != "d" or count > 1):
            words.append(f"{count}{name}")
            left -= count * unit
    if left:
        words.append(f"{Decimal(left) / 1000:f}ms")
    return "".join(words) or "0s"


def parse_size(value: Any) -> int:
    """Read a size in words, or a plain number, as bytes; ``KB`` is 1000 and ``KiB`` 1024.

    Raises:
        ValueError: ``value`` is no size or no whole number of bytes; the text says how to write one.
    """
    if isinstance(value, str):
        found = _SIZE_WORDS.fullmatch(value.strip())
        factor = _BYTES.get(found[2].lower()) if found else None
        if found is None or factor is None:
            raise ValueError(f"{value!r} is not a size; write it like 256KiB, 100MiB, 64KB or a number of bytes")
        exact = Decimal(found[1]) * factor
        if exact != exact.to_integral_value():
            raise ValueError(f"{value!r} is no whole number of bytes; write it in a smaller unit")
        return int(exact)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a size; write it like 256KiB, 100MiB, 64KB or a whole number of bytes")
    return value


def render_size(size: int) -> str:
    """Say ``size`` bytes in the largest unit that divides it, in words that :func:`parse_size` reads back."""
    for name, unit in _BINARY + _DECIMAL:
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size}B"


def lasting(low: str, high: str) -> AfterValidator:
    """Bound a duration, both ends included; both are written in words."""
    return AfterValidator(_bounded(parse_duration(low), parse_duration(high), render_duration))


def sized(low: str, high: str) -> AfterValidator:
    """Bound a size, both ends included; both are written in words."""
    return AfterValidator(_bounded(parse_size(low), parse_size(high), lambda size: render_size(int(size))))


def _bounded(low: float, high: float, render: Callable[[float], str]) -> Callable[[float], float]:
    def check(value: float) -> float:
        if low <= value <= high:
            return value
        raise ValueError(f"{render(value)} is out of range; choose between {render(low)} and {render(high)}")

    return check


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(render_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "format": DURATION_FORMAT, "pattern": _DURATION_PATTERN}),
]
"""A duration: words or seconds on the outside, float seconds inside."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(render_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "format": SIZE_FORMAT, "pattern": _SIZE_PATTERN}),
]
"""A size: words or bytes on the outside, int bytes inside."""
