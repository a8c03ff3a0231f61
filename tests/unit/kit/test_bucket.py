import pytest

from sidecar.kit.bucket import TokenBucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("rate", "burst"), [(5.0, 5), (1.0, 1), (0.1, 1), (2.5, 2)])
def test_one_seconds_worth_can_be_taken_at_once(rate: float, burst: int) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock=clock)
    assert [bucket.take() for _ in range(burst + 1)] == [True] * burst + [False]


def test_it_fills_with_time_and_never_over_its_rim() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, clock=clock)
    for _ in range(2):
        assert bucket.take()
    clock.now += 0.4
    assert not bucket.take()
    clock.now += 0.1
    assert bucket.take()
    clock.now += 3600
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_over_a_long_time_the_rate_is_kept() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, clock=clock)
    taken = 0
    for _ in range(10_000):
        clock.now += 0.01
        taken += bucket.take()
    assert 1000 <= taken <= 1011
