"""Lanes that are slowed down and let go again: nothing is forgotten, and nobody else is held up."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.kit.bench import Speeds

Step = tuple[str, int]


async def test_a_lane_without_speed_begins_nothing_and_holds_up_nobody_else() -> None:
    bench = Speeds()
    bench.speeds["away"] = 0
    assert bench.lanes.free("away") == 0
    await bench.put("away", 3)
    await bench.put("healthy", 2)
    assert {key for key, _ in bench.running} == {"healthy"}
    await bench.end_all()
    assert bench.lanes.queued == 3
    assert bench.lanes.take_lane("away") == [("away", 0), ("away", 1), ("away", 2)]
    assert bench.lanes.take_lane("away") == []
    assert not bench.lanes._lanes


async def test_what_waited_begins_when_the_lane_is_woken_and_no_more_than_its_speed() -> None:
    bench = Speeds()
    bench.speeds["a"] = 0
    await bench.put("a", 6)
    bench.lanes.wake()
    await bench.settle()
    assert not bench.running
    bench.speeds["a"] = 2
    bench.lanes.wake()
    await bench.settle()
    assert len(bench.running) == 2
    del bench.speeds["a"]
    await bench.end(("a", 0))
    assert len(bench.running) == 4
    await bench.end_all()
    assert sorted(bench.begun) == sorted(bench.given)
    assert not bench.lanes._lanes


async def test_what_waits_in_a_lane_without_speed_takes_no_spare_room() -> None:
    bench = Speeds(per_key=4, total=9)
    bench.speeds["away"] = 0
    await bench.put("away", 3)
    assert bench.lanes.spare == 18
    assert not bench.lanes.idle("away")
    bench.speeds["nothing here"] = 0
    assert not bench.lanes.idle("nothing here")
    assert len(bench.lanes.take_lane("away")) == 3


async def test_what_arrives_after_the_lane_has_its_speed_back_takes_the_others_along() -> None:
    bench = Speeds()
    bench.speeds["a"] = 0
    await bench.put("a", 2)
    del bench.speeds["a"]
    await bench.put("a")
    assert bench.begun == [("a", 0), ("a", 1), ("a", 2)]
    await bench.end_all()


async def test_a_lane_that_is_slowed_down_goes_down_as_its_items_end() -> None:
    bench = Speeds()
    await bench.put("a", 8)
    bench.speeds["a"] = 1
    await bench.end(("a", 0), ("a", 1), ("a", 2))
    assert len(bench.running) == 1
    await bench.end(("a", 3))
    assert list(bench.running) == [("a", 4)]
    await bench.end_all()


async def test_the_queue_of_a_busy_lane_can_be_taken_and_the_lane_goes_on() -> None:
    bench = Speeds(per_key=1)
    await bench.put("a", 6)
    assert not bench.lanes.has_room("a")
    assert len(bench.lanes.take_lane("a")) == 5
    assert bench.lanes.has_room("a")
    await bench.end_all()
    assert not bench.lanes._lanes
    assert not bench.lanes._starved


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "end", "speed a", "speed b", "wake"]), st.integers(0, 4))))
def test_whatever_the_speeds_everything_begins_once_they_are_back(steps: list[Step]) -> None:
    async def scenario() -> None:
        bench = Speeds(per_key=3, total=4)
        for what, number in steps:
            if what == "end":
                if bench.running:
                    await bench.end(sorted(bench.running)[number % len(bench.running)])
            elif what == "wake":
                bench.lanes.wake()
                await bench.settle()
            elif what.startswith("speed"):
                bench.speeds[what[-1]] = number
            else:
                await bench.put(what, number)
        bench.speeds.clear()
        bench.lanes.wake()
        await bench.settle()
        assert bench.is_busy()
        await bench.end_all()
        assert sorted(bench.begun) == sorted(bench.given)
        assert not bench.lanes._lanes
        assert not bench.lanes._starved

    asyncio.run(scenario())
