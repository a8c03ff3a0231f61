"""What one application may do, and what it is told when it may not."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sidecar.accept import quotas as module
from sidecar.accept.quotas import FRESH, SHARE, Quotas
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.problems import Problem
from sidecar.model.quota import Limit, Quota, Usage


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Counts:
    """The ledger's counts; counting takes ``cost`` seconds."""

    def __init__(self, clock: Clock) -> None:
        self.usage: dict[str, Usage] = {}
        self.asked: list[list[str]] = []
        self.away = False
        self.cost = 0.0
        self.gate: asyncio.Event | None = None
        self._clock = clock

    async def of(self, applications: Sequence[str]) -> Mapping[str, Usage]:
        self.asked.append(list(applications))
        counted = dict(self.usage)
        if self.gate is not None:
            await self.gate.wait()
        self._clock.now += self.cost
        if self.away:
            raise LedgerUnavailable
        return counted


class Desk:
    def __init__(self, **over: Any) -> None:
        limits = {"requests_per_second": None, "running_jobs": None, "stored": None, **over}
        self.clock, self.limited = Clock(), list[Limit]()
        self.counts = Counts(self.clock)
        self.quotas = Quotas(Quota(**limits), counts=self.counts, limited=self.limited.append, clock=self.clock)

    async def job(self, application: str = "shop", size: int = 0) -> Problem | None:
        """Ask for a job, and store it if it may be."""
        over = await self.quotas.over(application, size)
        if over is None:
            self.quotas.enter(application).stored(size)
        return over


def named(problem: Problem | None) -> str:
    assert problem is not None
    assert (problem.status, problem.code) == (429, "application_limit_exceeded")
    assert int(problem.headers["retry-after"]) >= 1
    assert str(problem.extra["limit"]) in problem.detail
    return str(problem.extra["limit"])


async def test_more_requests_than_the_rate_are_refused_each_application_for_itself() -> None:
    desk = Desk(requests_per_second=2)
    assert [await desk.job() for _ in range(2)] == [None, None]
    assert named(await desk.job()) == "requests_per_second"
    assert await desk.job("rival") is None
    desk.clock.now += 0.5
    assert await desk.job() is None
    assert desk.limited == [Limit.RATE]


@pytest.mark.parametrize(("rate", "seconds"), [(100, "1"), (1, "1"), (0.1, "10")])
async def test_the_answer_says_when_the_rate_allows_another(rate: float, seconds: str) -> None:
    desk = Desk(requests_per_second=rate)
    while (over := await desk.job()) is None:
        continue
    assert over.headers["retry-after"] == seconds


async def test_questions_about_jobs_count_too() -> None:
    desk = Desk(requests_per_second=1)
    assert desk.quotas.over_rate("shop") is None
    assert named(await desk.job()) == "requests_per_second"


async def test_jobs_beyond_the_most_are_refused_until_some_have_ended() -> None:
    desk = Desk(running_jobs=3)
    assert [await desk.job() for _ in range(3)] == [None] * 3
    desk.counts.usage["shop"] = Usage(3, 0)
    assert named(await desk.job()) == "running_jobs"
    assert await desk.job("rival") is None
    desk.counts.usage["shop"] = Usage(2, 0)
    desk.clock.now += FRESH
    assert await desk.job() is None


async def test_jobs_of_other_replicas_count_from_the_next_count_on() -> None:
    desk = Desk(running_jobs=3)
    await desk.job()
    desk.counts.usage["shop"] = Usage(3, 0)
    await desk.quotas.run_once()
    assert named(await desk.job()) == "running_jobs"


async def test_jobs_that_ended_since_the_last_count_refuse_nobody() -> None:
    desk = Desk(running_jobs=5)
    assert [await desk.job() for _ in range(50)] == [None] * 50 or desk.counts.asked
    desk.clock.now += FRESH
    assert await desk.job() is None  # it is counted anew first: none of them is running any more


async def test_bytes_beyond_the_most_are_refused_with_what_the_body_is_said_to_have() -> None:
    desk = Desk(stored=100)
    assert await desk.job(size=60) is None
    desk.counts.usage["shop"] = Usage(1, 60)
    assert named(await desk.job(size=41)) == "stored"
    assert await desk.job(size=40) is None
    desk.counts.usage["shop"] = Usage(2, 100)
    desk.clock.now += FRESH
    assert named(await desk.job(size=1)) == "stored"


async def test_requests_that_are_still_being_taken_in_count_and_failed_ones_do_not() -> None:
    desk = Desk(running_jobs=2)
    places = [desk.quotas.enter("shop") for _ in range(2)]
    assert named(await desk.job()) == "running_jobs"
    places[0].leave()
    places[0].leave()
    assert await desk.job() is None


async def test_what_is_taken_while_it_is_counted_is_not_lost() -> None:
    desk = Desk(running_jobs=3)
    await desk.job()
    desk.counts.gate = asyncio.Event()
    counting = asyncio.create_task(desk.quotas.run_once())
    await asyncio.sleep(0)
    await desk.job()  # not in the count that is under way
    desk.counts.usage["shop"] = Usage(1, 0)
    desk.counts.gate.set()
    await counting
    account = desk.quotas._accounts["shop"]
    assert (account.jobs, account.new_jobs) == (0, 1)


async def test_many_who_are_over_wait_for_one_count() -> None:
    desk = Desk(running_jobs=1)
    desk.counts.usage["shop"] = Usage(1, 0)
    await desk.job()
    desk.counts.gate = asyncio.Event()
    asking = [asyncio.create_task(desk.job()) for _ in range(20)]
    await asyncio.sleep(0)
    desk.counts.gate.set()
    assert {named(over) for over in await asyncio.gather(*asking)} == {"running_jobs"}
    assert len(desk.counts.asked) == 1
    assert named(await desk.job()) == "running_jobs"
    assert len(desk.counts.asked) == 1  # fresh enough


async def test_counting_that_takes_long_is_done_seldom() -> None:
    desk = Desk(running_jobs=1)
    desk.counts.cost = 1.0
    await desk.job()
    await desk.quotas.run_once()
    await desk.job()
    desk.clock.now += SHARE - 2
    await desk.quotas.run_once()
    assert len(desk.counts.asked) == 1
    desk.clock.now += 2
    await desk.quotas.run_once()
    assert len(desk.counts.asked) == 2


async def test_nothing_is_counted_while_nobody_asks_or_where_no_limit_needs_it() -> None:
    idle, unlimited = Desk(running_jobs=1), Desk(requests_per_second=5)
    await unlimited.job()
    for desk in (idle, unlimited):
        await desk.quotas.run_once()
        assert desk.counts.asked == []


async def test_while_the_database_is_away_the_last_count_stands() -> None:
    desk = Desk(running_jobs=1)
    await desk.job()
    desk.counts.away = True
    assert named(await desk.job()) == "running_jobs"
    desk.clock.now += FRESH
    desk.counts.usage["shop"] = Usage(1, 0)
    with pytest.raises(LedgerUnavailable):  # the duty tells it
        await desk.quotas.run_once()


async def test_the_memory_of_applications_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_APPLICATIONS", 3)
    desk = Desk(requests_per_second=1)
    for name in ("a", "b", "c", "a", "d"):
        await desk.job(name)
    assert list(desk.quotas._accounts) == ["c", "a", "d"]


async def test_repetitions_may_be_looked_for_as_often_as_the_rate_allows() -> None:
    desk = Desk(requests_per_second=2)
    assert [desk.quotas.may_look("shop") for _ in range(3)] == [True, True, False]
    assert Desk(running_jobs=1).quotas.may_look("shop")
