import asyncio
import os
import signal

import pytest

from sidecar.lifecycle import Cleanups, Supervisor, on_signals


async def forever() -> None:
    await asyncio.Event().wait()


async def over(supervisor: Supervisor) -> BaseException | None:
    async with asyncio.timeout(60):
        return await supervisor.until_over()


async def test_a_stop_that_is_asked_for_is_no_fault_however_often() -> None:
    supervisor = Supervisor()
    supervisor.guard("work", forever())
    supervisor.request_stop()
    supervisor.request_stop()
    assert await over(supervisor) is None
    await supervisor.cancel()


async def test_a_guarded_task_that_fails_is_a_fault() -> None:
    async def fails() -> None:
        raise ValueError("broken")

    supervisor = Supervisor()
    supervisor.guard("work", forever())
    supervisor.guard("work", fails())
    assert str(await over(supervisor)) == "broken"
    supervisor.request_stop()
    assert str(await over(supervisor)) == "broken"  # the first end counts
    await supervisor.cancel()


async def test_a_guarded_task_that_merely_ends_is_a_fault_too() -> None:
    supervisor = Supervisor()
    supervisor.guard("lanes", asyncio.sleep(0))
    assert str(await over(supervisor)) == "the task lanes ended"


async def test_a_guarded_task_that_is_cancelled_by_what_it_awaits_is_a_fault_too() -> None:
    async def awaits() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    supervisor = Supervisor()
    supervisor.guard("work", awaits())
    assert str(await over(supervisor)) == "the task work ended"


async def test_a_watched_task_is_somebody_elses_and_its_end_is_a_fault() -> None:
    supervisor = Supervisor()
    task = asyncio.create_task(forever(), name="flusher")
    supervisor.watch(task)
    await supervisor.cancel()
    assert not task.done()
    task.cancel()
    assert str(await over(supervisor)) == "the task flusher ended"


async def test_cancelling_by_name_leaves_the_others_and_is_no_fault() -> None:
    supervisor = Supervisor()
    supervisor.guard("work", forever())
    supervisor.guard("life", forever())
    await supervisor.cancel("work")
    await supervisor.cancel("work")
    assert [task.get_name() for task in supervisor._tasks] == ["life"]
    supervisor.request_stop()
    assert await over(supervisor) is None
    await supervisor.cancel()
    assert supervisor._tasks == []


async def test_a_task_that_fails_on_its_way_out_does_not_stop_the_stop() -> None:
    async def fails() -> None:
        try:
            await forever()
        finally:
            raise ValueError("on the way out")

    supervisor = Supervisor()
    supervisor.guard("work", fails())
    supervisor.guard("work", forever())
    await asyncio.sleep(0)
    await supervisor.cancel()
    assert supervisor._tasks == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_ask_for_a_stop_until_that_is_undone(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    supervisor = Supervisor()
    undo = on_signals(supervisor.request_stop)
    os.kill(os.getpid(), number)
    assert await over(supervisor) is None
    undo()
    signal.signal(number, before)


class Stack:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: list[tuple[str, str]] = []
        self.cleanups = Cleanups(lambda name, error: self.errors.append((name, type(error).__name__)))

    def add(self, name: str, error: BaseException | None = None) -> None:
        async def action() -> None:
            self.done.append(name)
            if error is not None:
                raise error

        self.cleanups.add(name, action)


async def test_cleanups_run_last_in_first_out_and_once() -> None:
    stack = Stack()
    for name in ("one", "two", "three"):
        stack.add(name)
    await stack.cleanups.run()
    await stack.cleanups.run()
    assert stack.done == ["three", "two", "one"]


async def test_each_cleanup_runs_whatever_became_of_the_others() -> None:
    stack = Stack()
    stack.add("one")
    stack.add("two", ValueError())
    stack.add("three", asyncio.CancelledError())
    await stack.cleanups.run()
    assert stack.done == ["three", "two", "one"]
    assert stack.errors == [("three", "CancelledError"), ("two", "ValueError")]


async def test_a_cleanup_may_add_another() -> None:
    stack = Stack()

    async def more() -> None:
        stack.add("later")

    stack.add("first")
    stack.cleanups.add("more", more)
    await stack.cleanups.run()
    assert stack.done == ["later", "first"]
