import asyncio

import pytest

from sidecar.kit.time_limit import TimeLimit


async def test_what_ends_in_time_is_left_alone() -> None:
    with TimeLimit(3600):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_wait_that_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.0):
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_an_outer_limit_passes_through_an_inner_one() -> None:
    reached = []

    async def wait() -> None:
        try:
            with TimeLimit(3600):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            reached.append("cancelled")
            raise

    with pytest.raises(TimeoutError), TimeLimit(0.0):
        await wait()
    assert reached == ["cancelled"]


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def wait() -> None:
        with TimeLimit(3600):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_the_block_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError), TimeLimit(3600):
        raise KeyError("a")
