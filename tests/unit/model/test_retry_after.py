"""How long the other side asks us to wait, however it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.retry_after import retry_after

DATE = (b"Date", b"Fri, 02 Jan 2026 03:04:05 GMT")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7.0),
        (b" 0 ", 0.0),
        (b"99999999999999999999", 600.0),
        (b"Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        (b"Fri, 02 Jan 2026 05:04:15 GMT", 600.0),
        (b"Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        (b"Fri, 02 Jan 2026 03:04:15 +99999999999999", 0.0),
        (b"-3", 0.0),
        (b"1.5", 0.0),
        (b"soon", 0.0),
        (b"", 0.0),
        (b"\xb2", 0.0),
    ],
)
def test_seconds_and_dates_are_read_and_nonsense_says_nothing(value: bytes, seconds: float) -> None:
    assert retry_after([DATE, (b"RETRY-AFTER", value)], longest=600.0) == seconds


def test_a_date_says_nothing_without_the_answers_own() -> None:
    assert retry_after([(b"retry-after", b"Fri, 02 Jan 2026 03:04:15 GMT")], longest=600.0) == 0.0


def test_no_header_says_nothing() -> None:
    assert retry_after([DATE], longest=600.0) == 0.0


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_stranger_sends_the_wait_is_within_its_bounds(value: bytes, date: bytes) -> None:
    assert 0.0 <= retry_after([(b"retry-after", value), (b"date", date)], longest=60.0) <= 60.0


@given(st.text(max_size=12, alphabet="0123456789+-: "), st.text(max_size=14, alphabet="0123456789+- GMT"))
def test_whatever_date_a_stranger_sends_the_wait_is_within_its_bounds(time: str, zone: str) -> None:
    value = f"Fri, 02 Jan 2026 {time} {zone}".encode()
    assert 0.0 <= retry_after([DATE, (b"retry-after", value)], longest=60.0) <= 60.0
