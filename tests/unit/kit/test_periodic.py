import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.kit.periodic import Periodic

FOREVER = 3600.0


class Duty:
    """Does what it is told, run after run, and lets the test wait for a run."""

    def __init__(self, *returns: bool | Exception) -> None:
        self.returns = list(returns)
        self.runs = 0
        self.ran = asyncio.Condition()

    async def run_once(self) -> bool:
        async with self.ran:
            self.runs += 1
            self.ran.notify_all()
        said = self.returns.pop(0) if self.returns else False
        if isinstance(said, Exception):
            raise said
        return said

    async def until(self, runs: int) -> None:
        async with asyncio.timeout(60), self.ran:
            await self.ran.wait_for(lambda: self.runs >= runs)


@asynccontextmanager
async def running(duty: Duty, *, interval: float, told: list[tuple[str, str]] | None = None) -> AsyncIterator[Periodic]:
    def on_error(name: str, error: Exception) -> None:
        (told if told is not None else []).append((name, str(error)))

    periodic = Periodic("duty", interval=interval, run_once=duty.run_once, on_error=on_error)
    task = asyncio.create_task(periodic.run())
    try:
        yield periodic
    finally:
        task.cancel()
        await asyncio.wait({task})


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_duty_runs_at_once_and_then_at_its_interval() -> None:
    duty = Duty()
    async with running(duty, interval=0.001):
        await duty.until(3)


async def test_the_second_run_comes_sooner_so_that_duties_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.kit.periodic.random.random", lambda: 0.0)
    duty = Duty()
    async with running(duty, interval=FOREVER):
        await duty.until(2)
        await turns()
    assert duty.runs == 2


async def test_a_duty_that_has_more_to_do_does_not_wait() -> None:
    duty = Duty(True, True, False)
    async with running(duty, interval=FOREVER):
        await duty.until(3)
        await turns()
        assert duty.runs == 3


async def test_a_woken_duty_does_not_wait_and_many_calls_are_one_run() -> None:
    duty = Duty()
    async with running(duty, interval=FOREVER) as periodic:
        await duty.until(1)
        await turns()
        for _ in range(5):
            periodic.wake()
        await duty.until(2)
        await turns()
        assert duty.runs == 2


async def test_a_call_that_comes_while_it_runs_is_not_lost() -> None:
    class Slow(Duty):
        async def run_once(self) -> bool:
            if not self.runs:
                periodic.wake()
            return await super().run_once()

    duty: Duty = Slow()
    async with running(duty, interval=FOREVER) as periodic:
        await duty.until(2)


async def test_a_duty_outlives_its_faults() -> None:
    told: list[tuple[str, str]] = []
    duty = Duty(ValueError("one"), KeyError("two"))
    async with running(duty, interval=0.001, told=told):
        await duty.until(3)
    assert told == [("duty", "one"), ("duty", "'two'")]


async def test_a_rare_duty_that_failed_does_not_wait_its_whole_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.kit.periodic.random.random", lambda: 1.0)
    monkeypatch.setattr("sidecar.kit.periodic.AFTER_FAILURE", 0.001)
    duty = Duty(ValueError("one"), ValueError("two"))
    async with running(duty, interval=FOREVER):
        await duty.until(3)
        await turns()
    assert duty.runs == 3


async def test_what_on_error_raises_ends_the_duty() -> None:
    def on_error(_name: str, error: Exception) -> None:
        raise RuntimeError("over") from error

    duty = Duty(ValueError("one"))
    task = asyncio.create_task(Periodic("duty", interval=FOREVER, run_once=duty.run_once, on_error=on_error).run())
    await asyncio.wait({task}, timeout=60)
    assert str(task.exception()) == "over"


async def test_a_duty_ends_when_it_is_told_to_although_its_clean_up_fails() -> None:
    class Untidy(Duty):
        async def run_once(self) -> bool:
            await super().run_once()
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("the database is away")

    told: list[tuple[str, str]] = []
    duty = Untidy()
    async with asyncio.timeout(60), running(duty, interval=0.001, told=told):
        await duty.until(1)
        await turns()
    assert (duty.runs, told) == (1, [])
