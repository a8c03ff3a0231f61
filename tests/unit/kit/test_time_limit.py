import asyncio
from typing import Any

import pytest

from sidecar.kit.time_limit import STEPS, TimeLimits


async def test_what_ends_in_time_is_left_alone() -> None:
    with TimeLimits().within(3600):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_wait_that_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    with pytest.raises(TimeoutError), TimeLimits().within(0.0):
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_an_outer_limit_passes_through_an_inner_one() -> None:
    reached = []

    async def wait() -> None:
        try:
            with TimeLimits().within(3600):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            reached.append("cancelled")
            raise

    with pytest.raises(TimeoutError), TimeLimits().within(0.0):
        await wait()
    assert reached == ["cancelled"]


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def wait() -> None:
        with TimeLimits().within(3600):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_the_block_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError), TimeLimits().within(3600):
        raise KeyError("a")


async def test_limits_of_one_step_share_their_timer_and_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def counted(when: float, *args: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *args)

    monkeypatch.setattr(loop, "call_at", counted)
    limits = TimeLimits()

    async def wait() -> str:
        try:
            with limits.within(0.5 / STEPS):
                await asyncio.Event().wait()
        except TimeoutError:
            return "over"
        return "never"

    assert await asyncio.gather(*(wait() for _ in range(20))) == ["over"] * 20
    assert len(timers) <= 2  # a step may have ended while they began


async def test_a_limit_that_was_kept_costs_nobody_anything_when_its_step_ends() -> None:
    limits = TimeLimits()
    with limits.within(0.0):
        pass
    with pytest.raises(TimeoutError), limits.within(2 / STEPS):
        await asyncio.Event().wait()
