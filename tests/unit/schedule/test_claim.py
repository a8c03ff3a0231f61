import asyncio
from collections.abc import Mapping, Sequence

from sidecar.kit.lanes import Lanes
from sidecar.ledger import WorkPage
from sidecar.schedule.claim import Claim


class Source:
    """Due rows by key, in pages of two keys."""

    def __init__(self, **due: int) -> None:
        self.due = due
        self.asked: list[dict[str, int]] = []

    async def keys_with_work(self, after: str) -> WorkPage:
        names = sorted(key for key, count in self.due.items() if count and key > after)
        return WorkPage(tuple(names[:2]), names[1] if len(names) > 2 else None)

    async def claim(self, free: Mapping[str, int]) -> Sequence[str]:
        self.asked.append(dict(free))
        taken = []
        for key, count in free.items():
            took = min(count, self.due[key])
            self.due[key] -= took
            taken += [key] * took
        return taken


class Sink:
    def __init__(self, *, per_key: int) -> None:
        self.gate = asyncio.Event()
        self.done: list[str] = []
        self.room = asyncio.Event()
        self.lanes: Lanes[str, str] = Lanes(self._run, per_key=per_key, total=99, queue_limit=99, on_room=self.room.set)

    def start(self, work: Sequence[str]) -> None:
        for item in work:
            self.lanes.put(item, item)

    async def _run(self, item: str) -> None:
        await self.gate.wait()
        self.done.append(item)


async def test_a_few_rows_of_each_key_are_claimed_page_by_page() -> None:
    source, sink = Source(a=9, b=1, c=9), Sink(per_key=2)
    claim = Claim(source, sink)
    assert await claim.run_once()  # there is another page
    assert not await claim.run_once()
    assert source.asked == [{"a": 2, "b": 2}, {"c": 2}]
    assert source.due == {"a": 7, "b": 0, "c": 7}
    sink.gate.set()
    await sink.lanes.drain(10)


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
