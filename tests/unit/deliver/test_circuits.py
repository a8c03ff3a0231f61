"""Circuits: opened by silence alone, probed by one, closed by any answer, and ramped up again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.deliver.circuits import OPENS, THRESHOLD, Circuits, pause_after
from sidecar.model.reasons import DeliveryReason as Reason

HERE = "https://hooks.example:443/crm/1.0"
THERE = "https://other.example:443/crm/1.0"


def opened(full_speed: int = 16) -> Circuits:
    circuits = Circuits(full_speed)
    assert [circuits.failed(HERE, Reason.CONNECT) for _ in range(THRESHOLD)] == [False] * (THRESHOLD - 1) + [True]
    return circuits


def test_failures_in_a_row_open_a_circuit_and_no_other() -> None:
    circuits = opened()
    assert circuits.away == {HERE}
    assert (circuits.speed(HERE), circuits.speed(THERE)) == (0, 16)


def test_an_answer_between_begins_the_count_anew() -> None:
    circuits = Circuits(16)
    for _ in range(3):
        for _ in range(THRESHOLD - 1):
            assert not circuits.failed(HERE, Reason.TIMEOUT)
        assert not circuits.answered(HERE)
    assert circuits.away == frozenset()


@pytest.mark.parametrize("reason", sorted(set(Reason) - OPENS))
def test_only_silence_opens_a_circuit(reason: Reason) -> None:
    circuits = Circuits(16)
    assert not any(circuits.failed(HERE, reason) for _ in range(10 * THRESHOLD))
    assert circuits.speed(HERE) == 16


def test_what_was_under_way_when_it_opened_says_nothing_more() -> None:
    circuits = opened()
    assert not circuits.failed(HERE, Reason.CONNECT)
    assert circuits.speed(HERE) == 0


def test_a_probe_is_one_attempt_and_its_failure_opens_again() -> None:
    circuits = opened()
    circuits.probe(HERE)
    assert circuits.speed(HERE) == 1
    assert circuits.failed(HERE, Reason.TIMEOUT)
    assert circuits.speed(HERE) == 0
    assert not circuits.failed(HERE, Reason.TIMEOUT)


def test_an_answer_closes_it_and_each_further_one_doubles_its_speed() -> None:
    circuits = opened()
    circuits.probe(HERE)
    assert circuits.answered(HERE)
    speeds = [circuits.speed(HERE)]
    for _ in range(4):
        assert not circuits.answered(HERE)
        speeds.append(circuits.speed(HERE))
    assert speeds == [2, 4, 8, 16, 16]
    assert circuits._health == {}  # what is healthy is not remembered


def test_what_another_replica_found_ramps_up_from_one() -> None:
    circuits = Circuits(4)
    circuits.learn([HERE])
    assert circuits.speed(HERE) == 0
    circuits.learn([])
    speeds = [circuits.speed(HERE)]
    while circuits.speed(HERE) < 4:
        circuits.answered(HERE)
        speeds.append(circuits.speed(HERE))
    assert speeds == [1, 2, 4]


def test_one_failure_while_it_recovers_opens_it_at_once() -> None:
    circuits = Circuits(16)
    circuits.learn([HERE])
    circuits.learn([])
    assert circuits.failed(HERE, Reason.CONNECT)
    assert circuits.speed(HERE) == 0


def test_a_probe_ends_when_the_ledger_says_that_the_endpoint_is_there() -> None:
    circuits = opened()
    circuits.probe(HERE)
    circuits.learn([])
    circuits.learn([HERE])
    assert circuits.speed(HERE) == 0


def test_a_pause_is_asked_for_once() -> None:
    circuits = Circuits(16)
    assert circuits.pause(HERE)
    assert not circuits.pause(HERE)
    assert circuits.speed(HERE) == 0


def test_pauses_double_from_ten_seconds_to_five_minutes() -> None:
    assert [pause_after(openings) for openings in (1, 2, 3, 4, 5, 6, 7, 10**9)] == [10, 20, 40, 80, 160, 300, 300, 300]


events = st.lists(
    st.tuples(
        st.sampled_from(["failed", "answered", "probe", "away", "back", "pause"]), st.sampled_from(sorted(Reason))
    )
)


@given(events, st.integers(min_value=1, max_value=9))
def test_whatever_happens_the_speed_is_within_its_bounds(happened: list[tuple[str, Reason]], full_speed: int) -> None:
    circuits = Circuits(full_speed)
    for what, reason in happened:
        match what:
            case "failed":
                circuits.failed(HERE, reason)
            case "answered":
                circuits.answered(HERE)
            case "probe":
                circuits.probe(HERE)
            case "pause":
                circuits.pause(HERE)
            case _:
                circuits.learn([HERE] if what == "away" else [])
        assert 0 <= circuits.speed(HERE) <= full_speed
        assert (circuits.speed(HERE) == 0) <= (HERE in circuits.away)
        assert circuits.speed(THERE) == full_speed
