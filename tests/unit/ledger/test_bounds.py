"""The low-water mark never passes work that nobody took."""

from datetime import UTC, datetime, timedelta

from sidecar.ledger.bounds import BEGINNING, REFRESH, SLACK, LowWater

AT = datetime(2027, 1, 1, tzinfo=UTC)


def test_a_mark_follows_what_was_claimed_and_stays_behind_it() -> None:
    low = LowWater()
    assert low.low(["a", "b"], now=100.0) == [BEGINNING, BEGINNING]
    low.claimed("a", AT)
    assert low.low(["a", "b"], now=101.0) == [AT - SLACK, BEGINNING]


def test_a_mark_never_goes_back() -> None:
    low = LowWater()
    low.low([], now=100.0)
    low.claimed("a", AT)
    low.claimed("a", AT - timedelta(minutes=5))
    assert low.low(["a"], now=101.0) == [AT - SLACK]


def test_everything_is_looked_at_anew_after_a_while() -> None:
    low = LowWater()
    low.low([], now=100.0)
    low.claimed("a", AT)
    assert low.low(["a"], now=100.0 + REFRESH) == [BEGINNING]
