"""The retry sequence as arithmetic: when the next attempt is, and when there is none."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.backoff import RetryPolicy

HOUR = 3600.0
seconds = st.floats(min_value=0.01, max_value=86_400.0)
policies = st.builds(
    lambda base, factor, budget: RetryPolicy(base=base, cap=base * factor, give_up_after=budget),
    st.floats(min_value=0.01, max_value=3600),
    st.floats(min_value=1, max_value=10_000),
    st.floats(min_value=1, max_value=86_400),
)


def sequence(policy: RetryPolicy) -> list[float]:
    """Every delay of a sequence whose attempts take no time."""
    delays: list[float] = []
    while (delay := policy.schedule(retry=len(delays) + 1, since_first=sum(delays))) is not None:
        delays.append(delay)
        assert len(delays) < 10_000_000
    return delays


def test_delays_double_from_a_second_to_an_hour_and_twenty_two_fit_in_twelve_hours() -> None:
    delays = sequence(RetryPolicy())
    assert delays == [*(2.0**power for power in range(12)), *[HOUR] * 10]
    assert len(delays) == 22
    assert 12 * HOUR - HOUR < sum(delays) <= 12 * HOUR


def test_the_ceiling_of_the_budget_fits_twelve_more() -> None:
    assert len(sequence(RetryPolicy(give_up_after=24 * HOUR))) == 34


@given(policies, st.integers(min_value=1, max_value=10**9))
def test_a_delay_never_shrinks_and_never_passes_its_bounds(policy: RetryPolicy, retry: int) -> None:
    here, after = policy.delay(retry), policy.delay(retry + 1)
    assert policy.base <= here <= after <= policy.cap
    assert after == pytest.approx(min(2 * here, policy.cap))


@given(policies, st.integers(min_value=1, max_value=64), seconds, st.floats(min_value=0, max_value=1e9))
def test_nothing_is_scheduled_beyond_the_budget(
    policy: RetryPolicy, retry: int, since_first: float, retry_after: float
) -> None:
    due = policy.schedule(retry=retry, since_first=since_first, retry_after=retry_after)
    if since_first + policy.delay(retry) > policy.give_up_after + 1e-6:
        assert due is None
    if due is not None:
        assert since_first + due <= policy.give_up_after + 1e-6
        assert due >= min(policy.delay(retry), policy.give_up_after - since_first)


@given(policies, st.integers(min_value=1, max_value=64), seconds, st.floats(min_value=0, max_value=1e9))
def test_asking_for_time_exhausts_nothing_and_brings_nothing_forward(
    policy: RetryPolicy, retry: int, since_first: float, retry_after: float
) -> None:
    plain = policy.schedule(retry=retry, since_first=since_first)
    asked = policy.schedule(retry=retry, since_first=since_first, retry_after=retry_after)
    assert (plain is None) == (asked is None)
    if plain is not None and asked is not None:
        assert asked >= plain
        assert asked == plain or asked == min(retry_after, policy.give_up_after - since_first)


@given(st.floats(min_value=0, max_value=1), st.integers(min_value=1, max_value=40), st.integers())
def test_jitter_takes_no_more_than_its_share(jitter: float, retry: int, seed: int) -> None:
    policy = RetryPolicy(jitter=jitter)
    plain = policy.delay(retry)
    assert plain * (1 - jitter) <= policy.delay(retry, random=Random(seed)) <= plain
