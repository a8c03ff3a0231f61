"""Durations and sizes in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.settings.units import parse_duration, parse_size, render_duration, render_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("250ms", 0.25),
        ("2s", 2.0),
        ("1.5s", 1.5),
        ("7d", 604800.0),
        ("0s", 0.0),
        ("90", 90.0),
        ("2.5", 2.5),
        (" 3s ", 3.0),
        (5, 5.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_in_words_or_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "m", "15 parsecs", "30m1h", "1h1h", "-5s", "1h30", "1e3", "five", "٣s", "1,5s", "s5", "15M"),
        *(-1, math.nan, math.inf, True, None, [1]),
    ],
)
def test_what_is_no_duration_is_refused_with_the_way_to_write_one(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like 15m"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0s"), (0.0005, "0.5ms"), (0.25, "250ms"), (5400, "1h30m"), (86400, "24h"), (90000, "25h")),
        *((604800, "7d"), (2 * 86400 + 3661.25, "2d1h1m1s250ms")),
    ],
)
def test_a_duration_is_said_in_words(seconds: float, words: str) -> None:
    assert render_duration(seconds) == words


@given(st.integers(min_value=0, max_value=400 * 86_400_000))
def test_a_duration_survives_being_said_and_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(render_duration(seconds)) == seconds


@given(st.floats(min_value=0, max_value=1e9))
def test_a_number_of_seconds_is_that_duration(seconds: float) -> None:
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("256KiB", 262144), ("100MiB", 104857600), ("5GiB", 5 * 1024**3), ("2TiB", 2 * 1024**4), ("1.5KiB", 1536)),
        *(("64KB", 64000), ("64kb", 64000), ("10 MB", 10_000_000), ("12B", 12), ("12", 12), ("0", 0)),
    ],
)
def test_a_size_is_read_in_words_or_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "KiB", "5 parsecs", "64K", "-1KiB", "1e3", "1,5MiB", -1, 1.5, True, None])
def test_what_is_no_size_is_refused_with_the_way_to_write_one(value: object) -> None:
    with pytest.raises(ValueError, match="is not a size; write it like 256KiB"):
        parse_size(value)


def test_a_part_of_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole number of bytes"):
        parse_size("1.0001KiB")


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0B"), (262144, "256KiB"), (64000, "64KB"), (1500, "1500B"), (1024**3, "1GiB")]
)
def test_a_size_is_said_in_words(size: int, words: str) -> None:
    assert render_size(size) == words


@given(st.integers(min_value=0, max_value=2**53))
def test_a_size_survives_being_said_and_read(size: int) -> None:
    assert parse_size(render_size(size)) == size


@given(st.text(max_size=20))
def test_any_other_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert math.isfinite(value)
        assert value >= 0
