"""What bodies hold of a budget that they share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kit.budget import ByteBudget
from sidecar.model.errors import ProblemError
from sidecar.web.share import Share


def test_a_share_that_grows_beyond_the_budget_is_refused_while_others_hold_some() -> None:
    budget = ByteBudget(10)
    one, other = Share(budget), Share(budget)
    one.take(6)
    other.take(4)
    with pytest.raises(ProblemError) as caught:
        one.take(1)
    assert (caught.value.problem.status, caught.value.problem.code) == (503, "overloaded")
    one.release()
    other.take(6)
    assert budget.held == other.size == 10


def test_one_that_is_larger_than_all_is_let_in_alone() -> None:
    budget = ByteBudget(10)
    alone, late = Share(budget), Share(budget)
    for _ in range(5):
        alone.take(9)
    with pytest.raises(ProblemError):
        late.take(1)
    alone.release()
    late.take(1)


STEPS = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(1, 12))))


@given(STEPS)
def test_the_budget_holds_what_its_shares_hold_and_beyond_its_limit_a_single_one_only(
    steps: list[tuple[int, int | None]],
) -> None:
    budget = ByteBudget(20)
    shares = [Share(budget) for _ in range(4)]
    for which, size in steps:
        if size is None:
            shares[which].release()
        else:
            try:
                shares[which].take(size)
            except ProblemError:
                shares[which].release()
        holding = [share.size for share in shares if share.size]
        assert budget.held == sum(holding)
        assert sum(holding) <= 20 or len(holding) == 1
    for share in shares:
        share.release()
    assert budget.held == 0
