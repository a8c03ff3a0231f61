"""What the benchmark concludes from single numbers: claims, drains and large results."""

import pytest

from benchmarks.kit.figures import Figure
from benchmarks.kit.report import report_of
from benchmarks.kit.rows import ONCE, all_hold, figure_row
from benchmarks.large.measure import Sent
from benchmarks.large.measure import figures as large_figures
from benchmarks.retries.claims import CLAIM, CLAIMS, SPREADS, shares
from benchmarks.retries.claims import figures as claim_figures
from benchmarks.retries.draining import Drained
from benchmarks.retries.draining import figures as drain_figures


@pytest.mark.parametrize(
    ("value", "most", "least", "holds"),
    [
        (1.5, 1.5, None, True),
        (1.504, 1.5, None, True),
        (1.51, 1.5, None, False),
        (0.6, None, 0.6, True),
        (0.59, None, 0.6, False),
        (9.0, None, None, None),
    ],
)
def test_a_number_is_judged_by_its_target(
    value: float, most: float | None, least: float | None, *, holds: bool | None
) -> None:
    assert Figure("x", value, "{:.2f}", most=most, least=least).holds is holds


def test_a_number_has_a_line_of_its_own_and_a_miss_shows() -> None:
    row = figure_row(Figure("claim", 2.0, "x{:.1f}", most=1.5))
    assert (row.values, row.target, row.holds) == ({ONCE: "x2.0"}, "<= x1.5", False)
    assert not all_hold([row])


def test_numbers_make_a_table_of_one_column() -> None:
    report = report_of("numbers", (Figure("a", 1.0, "{}"), Figure("b", 2.0, "{}")))
    assert (report.columns, [row.name for row in report.rows]) == ((ONCE,), ["a", "b"])


@pytest.mark.parametrize("spread", SPREADS)
def test_each_claim_asks_for_as_much_in_all_and_goes_round_the_endpoints(spread: int) -> None:
    asked = list(shares(spread))
    assert [sum(free.values()) for free in asked] == [CLAIM] * CLAIMS
    assert len({name for free in asked for name in free}) == min(spread, CLAIM * CLAIMS)


def test_the_cost_of_a_claim_is_judged_from_the_least_to_the_most_rows() -> None:
    costs = {(rows, spread): cost for spread in SPREADS for rows, cost in ((10, 4.0), (100, 9.0), (1000, 8.0))}
    judged = [
        figure for figure in claim_figures(costs, dict.fromkeys((1000, 10, 100), 1.0)) if figure.holds is not None
    ]
    assert [(figure.value, figure.holds) for figure in judged] == [(2.0, False)] * len(SPREADS)


def test_one_number_of_rows_alone_is_not_judged() -> None:
    figures = claim_figures({(10, spread): 4.0 for spread in SPREADS}, {10: 1.0})
    assert {figure.holds for figure in figures} == {None}


def test_a_dead_endpoint_is_compared_in_each_round_and_faults_are_a_miss() -> None:
    alone = [Drained(1.0, 0), Drained(2.0, 0), Drained(4.0, 0)]
    refusing = [Drained(1.2, 0), Drained(2.0, 0), Drained(12.0, 0)]
    silent = [Drained(2.0, 1)] * 3
    large, middle, beside, worse, faults = drain_figures(Drained(10.0, 0), alone, refusing, silent)
    assert (large.value, middle.value) == (2000.0, 2.0)
    assert (beside.value, beside.holds) == (1.2, True)
    assert (worse.value, worse.holds) == (1.0, True)
    assert (faults.value, faults.holds) == (3.0, False)


def test_a_large_result_is_compared_with_the_pipe_beside_it() -> None:
    sent = [Sent(60.0, 40.0, True), Sent(30.0, 97.0, True), Sent(90.0, 20.0, False)]
    speed, pipe, part, memory, wrong = large_figures(sent, [100.0, 60.0, 100.0])
    assert (speed.value, pipe.value) == (60.0, 100.0)
    assert (part.value, part.holds) == (0.6, True)
    assert (memory.value, memory.holds) == (97.0, False)
    assert (wrong.value, wrong.holds) == (1, False)
