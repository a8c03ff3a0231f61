"""Which days are over."""

import pytest

from sidecar.ledger.clock import DatabaseClock, floor_id
from sidecar.ledger.days import Days

DAY = 86_400.0
NOW = 20_000 * DAY + 7200


class Clock(DatabaseClock):
    def now(self) -> float:
        return NOW


DAYS = Days(Clock(), retention=14 * DAY)


@pytest.mark.parametrize(("ago", "over"), [(-DAY, False), (0.0, False), (7200, False), (7201, True), (30 * DAY, True)])
def test_a_day_is_over_at_midnight(ago: float, *, over: bool) -> None:
    assert DAYS.over(floor_id(NOW - ago)) is over


@pytest.mark.parametrize(
    ("ago", "forgotten"), [(-DAY, False), (0.0, False), (14 * DAY + 7200, False), (14 * DAY + 7201, True)]
)
def test_a_job_is_forgotten_when_its_whole_day_is_older_than_jobs_are_kept(ago: float, *, forgotten: bool) -> None:
    assert DAYS.forgotten(floor_id(NOW - ago)) is forgotten
