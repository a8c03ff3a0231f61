"""Charts as numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.model.overview import Minute
from sidecar.web.console.charts import HEIGHT, bar_chart, hour, line_chart, round_up

NOW = datetime(2026, 5, 1, 12, 34, 56, tzinfo=UTC)


def minute(ago: int, accepted: int = 0, waiting: int | None = None) -> Minute:
    at = NOW.replace(second=0) - timedelta(minutes=ago)
    return Minute(at, accepted, 0, 0, 0, waiting, None)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 5), (5, 5), (6, 10), (11, 15), (26, 30), (81, 100), (150, 150), (99_999, 100_000)]
)
def test_the_upper_edge_is_a_round_number_that_is_not_smaller(value: int, top: int) -> None:
    assert round_up(value) == top


def test_minutes_of_which_nobody_told_are_filled_up() -> None:
    filled = hour([minute(3, 7), minute(70, 9)], NOW)
    assert len(filled) == 60
    assert [one.accepted for one in filled if one.accepted] == [7]
    assert filled[-1].minute == NOW.replace(second=0)


def test_bars_stand_on_the_base_and_reach_as_high_as_their_count() -> None:
    chart = bar_chart(
        "t",
        hour([minute(0, 10), minute(1, 5)], NOW),
        [("Accepted", "a", lambda one: one.accepted)],
        line=("Half", "b", lambda one: one.accepted // 2),
    )
    before, last = chart.series[0].bars[-2:]
    assert (last.y, last.height, before.height) == (0.0, HEIGHT, HEIGHT / 2)
    assert chart.series[1].line.endswith(f",{HEIGHT / 2}")
    assert chart.summary == (
        "Accepted: 15 in the last hour, at most 10 a minute; Half: 7 in the last hour, at most 5 a minute"
    )


def test_a_level_holds_until_somebody_tells_another() -> None:
    chart = line_chart("t", hour([minute(59, waiting=4), minute(1)], NOW), [("First", "a", lambda one: one.waiting)])
    assert {point.split(",")[1] for point in chart.series[0].line.split()} == {"24.0"}
    assert chart.summary == "First: 4 now, at most 4 in the last hour"
