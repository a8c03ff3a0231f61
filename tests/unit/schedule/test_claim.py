import asyncio
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from sidecar.kit.lanes import Lanes
from sidecar.ledger import WorkPage
from sidecar.schedule.claim import Claim, spread


class Source:
    """Due rows by key, in pages of ``page`` keys."""

    def __init__(self, page: int = 2, **due: int) -> None:
        self.due = due
        self.page = page
        self.asked: list[dict[str, int]] = []

    async def keys_with_work(self, after: str) -> WorkPage:
        names = sorted(key for key, count in self.due.items() if count and key > after)
        return WorkPage(tuple(names[: self.page]), names[self.page - 1] if len(names) > self.page else None)

    async def claim(self, free: Mapping[str, int]) -> Sequence[str]:
        self.asked.append(dict(free))
        taken = []
        for key, count in free.items():
            took = min(count, self.due[key])
            self.due[key] -= took
            taken += [key] * took
        return taken


class Sink:
    """Items that run until the gate is open; those of slow keys never end by themselves."""

    def __init__(self, *, per_key: int, total: int = 99, away: str = "") -> None:
        self.gate, self.slow = asyncio.Event(), asyncio.Event()
        self.done: list[str] = []
        self.room = asyncio.Event()
        self.lanes: Lanes[str, str] = Lanes(
            self._run,
            per_key=per_key,
            total=total,
            queue_limit=99,
            on_room=self.room.set,
            speed=lambda key: 0 if key == away else per_key,
        )

    def start(self, work: Sequence[str]) -> None:
        for item in work:
            self.lanes.put(item, item)

    async def _run(self, item: str) -> None:
        await (self.slow if item.startswith("slow") else self.gate).wait()
        self.done.append(item)

    def hand_over(self, *keys: str, count: int) -> None:
        """Put work in that came without a claim."""
        for key in keys:
            self.start([key] * count)

    async def finish(self) -> None:
        self.gate.set()
        self.slow.set()
        await self.lanes.drain(10)


async def test_a_few_rows_of_each_key_are_claimed_page_by_page() -> None:
    source, sink = Source(a=9, b=1, c=9), Sink(per_key=2)
    claim = Claim(source, sink)
    assert await claim.run_once()  # there is another page
    assert not await claim.run_once()
    assert source.asked == [{"a": 2, "b": 2}, {"c": 2}]
    assert source.due == {"a": 7, "b": 0, "c": 7}
    await sink.finish()


async def test_what_a_busy_lane_could_not_take_is_called_for_when_it_has_room() -> None:
    source, sink = Source(a=6), Sink(per_key=2)
    claim = Claim(source, sink)
    for free in (2, 2):
        await claim.run_once()
        assert source.asked.pop() == {"a": free}
    await claim.run_once()
    assert source.asked == []  # no place is free: nothing is claimed, and no statement spent
    assert not sink.room.is_set()
    sink.gate.set()
    async with asyncio.timeout(60):
        await sink.room.wait()
    await claim.run_once()
    assert sum(asked["a"] for asked in source.asked) >= 2
    await sink.lanes.drain(10)
    assert sink.done == ["a"] * 6


async def test_without_due_work_nothing_is_claimed() -> None:
    source = Source()
    assert not await Claim(source, Sink(per_key=2)).run_once()
    assert source.asked == []


SLOW = ("slow 1", "slow 2", "slow 3")


async def test_backlogs_of_a_few_slow_keys_stop_no_claim_for_the_others() -> None:
    source, sink = Source(a=9, b=9), Sink(per_key=2, total=10)
    sink.hand_over(*SLOW, count=256)
    await Claim(source, sink).run_once()
    assert source.asked == [{"a": 2, "b": 2}]
    await sink.finish()


async def test_without_any_spare_room_each_key_that_has_nothing_here_gets_a_row_and_its_turn() -> None:
    source, sink = Source(3, a=9, b=9, c=9), Sink(per_key=2, total=4)
    sink.hand_over(*SLOW, count=256)
    assert sink.lanes.spare == 0
    claim = Claim(source, sink)
    await claim.run_once()
    assert source.asked == [{"a": 1, "b": 1, "c": 1}]
    await claim.run_once()
    assert len(source.asked) == 1  # what they have waits for a place: no more is taken
    await sink.finish()
    assert max(sink.done.index(key) for key in "abc") < 20  # not only after all that is slow


async def test_a_full_lane_gets_nothing_of_what_is_kept_for_the_others() -> None:
    source, sink = Source(**{"a": 9, "slow 1": 9}), Sink(per_key=2, total=2)
    sink.hand_over("slow 1", "slow 2", count=20)
    await Claim(source, sink).run_once()
    assert source.asked == [{"a": 1}]
    await sink.finish()


async def test_little_spare_room_is_shared_over_the_keys() -> None:
    source, sink = Source(4, a=9, b=9, c=9, d=1), Sink(per_key=5, total=6)
    sink.hand_over("slow", count=2)
    assert sink.lanes.spare == 10
    await Claim(source, sink).run_once()
    (asked,) = source.asked
    assert sorted(asked.values()) == [2, 2, 3, 3]  # 10 in all, and nobody was first
    await sink.finish()


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9)), st.integers(0, 30))
def test_shares_use_the_room_up_and_are_even(wanted: dict[str, int], room: int) -> None:
    shares = spread(wanted, room)
    assert sum(shares.values()) == min(room, sum(wanted.values()))
    least = min((shares[key] for key in wanted if shares[key] < wanted[key]), default=9)
    assert all(share <= min(wanted[key], least + 1) for key, share in shares.items())


async def test_whatever_number_of_keys_has_work_what_claims_bring_is_bounded() -> None:
    many = {f"{number:03}": 9 for number in range(200)}
    source, sink = Source(50, **many), Sink(per_key=2, total=5)
    claim = Claim(source, sink)
    for _ in range(50):
        await claim.run_once()
    assert sink.lanes.running == 5
    assert 5 < sink.lanes.running + sink.lanes.queued <= 6 * 5
    await sink.finish()


async def test_when_the_room_is_gone_the_next_look_goes_on_where_this_one_ended() -> None:
    source, sink = Source(a=1, b=9, c=9, d=9, e=9), Sink(per_key=1, total=1)
    claim = Claim(source, sink)
    assert not await claim.run_once()  # there is another page, but no room
    assert [set(asked) for asked in source.asked] == [{"a", "b"}]
    sink.gate.set()
    for _ in range(20):  # all that is here ends
        await asyncio.sleep(0)
    assert sink.lanes.running == 0
    await claim.run_once()
    assert [set(asked) for asked in source.asked] == [{"a", "b"}, {"c", "d"}]
    await sink.finish()


async def test_a_probe_that_was_leased_is_made_whatever_the_room() -> None:
    async def gate(key: str, free: int) -> int:
        return 1 if key == "away" else free

    source, sink = Source(a=9, away=9), Sink(per_key=2, total=1, away="away")
    sink.hand_over("slow 1", "slow 2", count=9)
    await Claim(source, sink, gate=gate).run_once()
    assert source.asked == [{"away": 1}]  # the room for newcomers is gone as well
    await sink.finish()
