"""A bound on bytes in memory."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.kit.budget import ByteBudget


def test_what_does_not_fit_is_refused_and_not_counted() -> None:
    budget = ByteBudget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert budget.held == 7
    assert budget.take(3)


def test_one_item_larger_than_all_is_let_in_alone() -> None:
    budget = ByteBudget(10)
    assert budget.take(50)
    assert not budget.take(1)
    budget.give(50)
    assert budget.take(1)


@given(st.lists(st.integers(0, 30)))
def test_more_than_the_limit_is_held_by_a_single_item_only(sizes: list[int]) -> None:
    budget = ByteBudget(20)
    held = [size for size in sizes if budget.take(size)]
    assert budget.held == sum(held)
    assert sum(held) <= 20 or len([size for size in held if size]) == 1
