"""Lanes against a model: whatever comes in whatever order, the bounds hold, nothing is lost, nobody starves."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kit.lanes import Lanes
from tests.unit.kit.bench import Bench


async def test_a_lane_runs_no_more_than_its_places_in_order_of_arrival() -> None:
    bench = Bench(per_key=2, total=9)
    await bench.put("a", 4)
    assert (bench.begun, bench.lanes.running, bench.lanes.queued) == ([("a", 0), ("a", 1)], 2, 2)
    await bench.end(("a", 1))
    assert bench.begun[2:] == [("a", 2)]
    await bench.end_all()
    assert bench.begun == [("a", number) for number in range(4)]
    assert (bench.lanes.running, bench.lanes.queued) == (0, 0)


async def test_a_lane_whose_items_hang_holds_up_nobody_else() -> None:
    bench = Bench(per_key=2, total=3)
    await bench.put("hanging", 20)
    for _ in range(5):
        await bench.put("healthy")
        (healthy,) = [item for item in bench.running if item[0] == "healthy"]
        await bench.end(healthy)
    assert bench.begun.count(("hanging", 2)) == 0
    await bench.end_all()


async def test_places_of_the_total_go_round_among_the_lanes_that_wait() -> None:
    bench = Bench(per_key=1, total=1)
    for key in "abc":
        await bench.put(key, 3)
    await bench.end_all()
    assert [key for key, _ in bench.begun] == list("abcabcabc")


Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "end", "end"]), st.integers(0, 5)), max_size=40)


@given(STEPS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_bounds_hold_places_are_used_and_nothing_is_lost(
    steps: list[Step], per_key: int, total: int, queue_limit: int
) -> None:
    async def scenario() -> None:
        bench = Bench(per_key=per_key, total=total, queue_limit=queue_limit)
        for what, number in steps:
            if what != "end":
                await bench.put(what, number)
            elif bench.running:
                await bench.end(sorted(bench.running)[number % len(bench.running)])
            assert bench.is_busy()
            assert bench.lanes.running == len(bench.running)
            full = {key for key in "abc" if not bench.lanes.has_room(key)}
            assert set(bench.lanes.full_keys()) == full
            for key, lane in bench.lanes._lanes.items():
                assert (key not in full) or lane.queue
                assert len(lane.queue) < queue_limit or key in full
        await bench.end_all()
        assert sorted(bench.begun) == sorted(bench.given)  # each once
        if per_key == 1:  # with more places, two that begin in one turn of the loop may do so in either order
            assert sorted(bench.begun, key=lambda item: item[0]) == sorted(bench.given, key=lambda item: item[0])
        assert not bench.lanes._lanes
        assert not bench.lanes._starved
        assert bench.lanes.full_keys() == []

    asyncio.run(scenario())


async def test_a_full_lane_says_so_and_calls_back_when_it_has_room() -> None:
    bench = Bench(per_key=1, total=9, queue_limit=4)
    await bench.put("a", 4)
    assert bench.lanes.has_room("a")
    await bench.put("a")
    assert not bench.lanes.has_room("a")
    assert bench.lanes.full_keys() == ["a"]
    await bench.put("a")  # owned work is never refused
    assert bench.lanes.queued == 5
    while not bench.lanes.has_room("a"):
        assert bench.rooms == 0
        await bench.end(*bench.running)
    assert bench.lanes.queued == 2  # half of the limit: it does not flicker
    await bench.end_all()
    assert bench.rooms == 1


async def test_a_lane_calls_back_only_when_more_waits_elsewhere() -> None:
    bench = Bench(per_key=1)
    await bench.put("a", 2)
    await bench.end_all()
    assert bench.rooms == 0
    bench.lanes.more_waits("a")  # nothing of it is here: there is nothing to wait for
    await bench.put("a")
    bench.lanes.more_waits("a")
    await bench.end_all()
    assert bench.rooms == 1


async def test_free_counts_places_and_one_more_for_each_of_them() -> None:
    bench = Bench(per_key=2, total=9)
    assert bench.lanes.free("a") == 2
    for put, free in ((1, 3), (2, 2), (3, 1), (4, 0), (5, 0)):
        await bench.put("a")
        assert (put, bench.lanes.free("a")) == (put, free)
    await bench.end_all()


async def test_the_backlog_of_one_lane_takes_no_more_of_the_spare_room_than_its_places() -> None:
    bench = Bench(per_key=2, total=9)
    assert bench.lanes.spare == 18
    await bench.put("a", 50)
    assert bench.lanes.spare == 18 - 2 - 2
    await bench.put("b", 3)
    assert bench.lanes.spare == 14 - 2 - 1
    await bench.end_all()


async def test_a_lane_that_could_begin_and_has_nothing_waiting_is_idle() -> None:
    bench = Bench(per_key=2, total=3)
    assert bench.lanes.idle("a")
    assert bench.lanes.empty("a")
    await bench.put("a")
    assert bench.lanes.idle("a")
    assert not bench.lanes.empty("a")
    await bench.put("a")
    assert not bench.lanes.idle("a")  # all its places are taken
    await bench.put("b", 2)
    assert not bench.lanes.idle("b")  # one runs, one waits for a place of the total
    await bench.end_all()


async def test_room_for_newcomers_ends_with_two_lanes_for_each_place_of_the_total() -> None:
    bench = Bench(per_key=1, total=2)
    for number in range(6):
        assert bench.lanes.newcomers == max(0, 4 - number)
        await bench.put(f"{number}", 9)
    await bench.end_all()
    assert bench.lanes.newcomers == 4


async def test_taking_the_queue_leaves_what_runs_and_keeps_the_lanes_usable() -> None:
    bench = Bench(per_key=1, total=2)
    for key in "abc":
        await bench.put(key, 3)
    taken = bench.lanes.take_queued()
    assert sorted(taken) == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 0), ("c", 1), ("c", 2)]
    assert bench.lanes.queued == 0
    await bench.end_all()
    assert not bench.lanes._lanes
    await bench.put("c")
    assert list(bench.running) == [("c", 3)]
    await bench.end_all()


async def test_what_a_runner_raises_is_told_and_the_others_go_on() -> None:
    async def run(item: str) -> None:
        await asyncio.sleep(0)
        if item == "bad":
            raise ValueError(item)
        done.append(item)

    done: list[str] = []
    lanes: Lanes[str, str] = Lanes(run, per_key=1, total=1, queue_limit=9)
    failed = asyncio.ensure_future(lanes.failed())
    for item in ("bad", "good", "better"):
        lanes.put("a", item)
    with pytest.raises(ValueError, match="bad"):
        await failed
    await lanes.drain(10)
    assert done == ["good", "better"]
    with pytest.raises(ValueError, match="bad"):  # also for one who asks later
        await lanes.failed()


async def test_draining_waits_for_what_is_begun_meanwhile() -> None:
    async def run(item: int) -> None:
        await asyncio.sleep(0)
        if item:
            lanes.put(f"{item - 1}", item - 1)
        done.append(item)

    done: list[int] = []
    lanes: Lanes[str, int] = Lanes(run, per_key=1, total=9, queue_limit=9)
    lanes.put("5", 5)
    await lanes.drain(10)
    assert done == [5, 4, 3, 2, 1, 0]


async def test_draining_cancels_what_takes_too_long_and_begins_nothing_more() -> None:
    bench = Bench(per_key=1, total=1)
    for key in "ab":
        await bench.put(key, 2)
    await bench.lanes.drain(0)
    assert bench.begun == [("a", 0)]
    assert (bench.lanes.running, bench.lanes._tasks) == (0, set())
    await bench.put("c")
    assert bench.begun == [("a", 0)]
    assert sorted(bench.lanes.take_queued()) == [("a", 1), ("b", 0), ("b", 1), ("c", 0)]


async def test_a_busy_lane_costs_no_task_an_item() -> None:
    tasks: set[Any] = set()

    async def run(_item: int) -> None:
        tasks.add(asyncio.current_task())
        await asyncio.sleep(0)

    lanes: Lanes[str, int] = Lanes(run, per_key=2, total=9, queue_limit=99)
    for item in range(20):
        lanes.put("a", item)
    await lanes.drain(10)
    assert len(tasks) == 2
