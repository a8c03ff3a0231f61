"""What goes into a batch, and which kind goes first."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from sidecar.ledger.group_commit import MANY, Lane, Queue
from sidecar.ledger.stats import LedgerStats


class Connection:
    name = "test"
    up = True


class Numbers:
    """A kind that keeps what was flushed, in the order of all kinds of a test."""

    patient = False

    def __init__(self, name: str, log: list[tuple[str, list[int]]], *, yields: bool = False) -> None:
        self.name, self.yields, self._log = name, yields, log

    def unique(self, _item: int, /) -> None:
        return None

    def day(self, item: int, /) -> int:
        return item // 1000

    def order(self, item: int, /) -> int:
        return item

    def size(self, _item: int, /) -> int:
        return 1

    async def flush(self, _link: Any, items: Sequence[int], /) -> Sequence[int]:
        self._log.append((self.name, list(items)))
        return items


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    made = Lane(Connection(), LedgerStats())  # type: ignore[arg-type]  # a connection that is up is enough
    made.start()
    yield made
    await made.stop(timeout=5)


def queues(lane: Lane) -> tuple[list[tuple[str, list[int]]], Queue[int, int], Queue[int, int]]:
    """What was flushed, the queue of ends that yield, and the queue of answers that do not."""
    flushed: list[tuple[str, list[int]]] = []
    return flushed, lane.queue(Numbers("end", flushed, yields=True)), lane.queue(Numbers("answer", flushed))


async def test_what_is_ready_goes_along_with_what_came_first(lane: Lane) -> None:
    flushed, _, answers = queues(lane)

    async def ask(number: int) -> int:
        return await answers.submit(number)

    first = answers.submit(0)
    others = [asyncio.create_task(ask(number)) for number in (2, 1)]
    assert [await first, *[await other for other in others]] == [0, 2, 1]
    assert flushed == [("answer", [0, 1, 2])]


async def test_what_nobody_waits_for_lets_answers_go_first(lane: Lane) -> None:
    flushed, ends, answers = queues(lane)
    await asyncio.gather(ends.submit(1), answers.submit(2))
    assert flushed == [("answer", [2]), ("end", [1])]


async def test_it_goes_at_once_when_there_is_nothing_else(lane: Lane) -> None:
    flushed, ends, _ = queues(lane)
    assert await ends.submit(1) == 1
    assert flushed == [("end", [1])]


async def test_it_does_not_wait_for_ever(lane: Lane) -> None:
    flushed, ends, answers = queues(lane)
    waiting = ends.submit(1)
    ends._since -= 1.0
    await asyncio.gather(waiting, answers.submit(2))
    assert flushed == [("end", [1]), ("answer", [2])]


async def test_many_of_it_do_not_wait(lane: Lane) -> None:
    flushed, ends, answers = queues(lane)
    await asyncio.gather(*(ends.submit(number) for number in range(MANY)), answers.submit(2))
    assert [name for name, _ in flushed] == ["end", "answer"]


async def test_a_batch_is_of_one_day(lane: Lane) -> None:
    flushed, _, answers = queues(lane)
    await asyncio.gather(*(answers.submit(number) for number in (1001, 1, 1002, 2, 2001)))
    assert flushed == [("answer", [1001, 1002]), ("answer", [1, 2]), ("answer", [2001])]
