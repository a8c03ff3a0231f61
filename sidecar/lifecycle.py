"""Start and stop: what begins first ends last, a signal drains, and a background task that ends is a fault."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

EXIT_OK = 0
EXIT_FAULT = 70  # sysexits.h: internal software error; the platform starts the process anew
EXIT_CONFIG = 78  # sysexits.h: configuration error; starting anew cannot help


class Supervisor:
    """Hold the tasks that must never end, and learn of the first one that does."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []
        self._over: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def guard(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that has no business to end."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def watch(self, task: "asyncio.Task[Any]") -> None:
        """Learn of the end of a task that somebody else holds, and will stop."""
        task.add_done_callback(self._ended)

    def request_stop(self) -> None:
        """Ask for an orderly end; asking twice changes nothing."""
        if not self._over.done():
            self._over.set_result(None)

    async def until_over(self) -> BaseException | None:
        """Wait for the end: ``None`` when it was asked for, else what ended a guarded task."""
        return await asyncio.shield(self._over)

    async def cancel(self, name: str | None = None) -> None:
        """Cancel the guarded tasks, or those of one name, and wait until they are gone."""
        chosen = [task for task in self._tasks if name is None or task.get_name() == name]
        for task in chosen:
            task.remove_done_callback(self._ended)
            task.cancel()
        if chosen:
            await asyncio.wait(chosen)
        self._tasks = [task for task in self._tasks if task not in chosen]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if not self._over.done():  # a task that cancelled itself has ended as well
            self._over.set_result(error or RuntimeError(f"the task {task.get_name()} ended"))


def on_signals(stop: Callable[[], None]) -> Callable[[], None]:
    """Call ``stop`` on SIGTERM and SIGINT; returns how to undo it."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)

    def undo() -> None:
        for number in signals:
            loop.remove_signal_handler(number)

    return undo


def on_level_signals(set_level: Callable[[str], None], *, usual: str) -> Callable[[], None]:
    """Set the level of the log to ``debug`` on SIGUSR1 and to the usual one on SIGUSR2; returns how to undo it."""
    loop = asyncio.get_running_loop()
    levels = {signal.SIGUSR1: "debug", signal.SIGUSR2: usual}
    for number, level in levels.items():
        loop.add_signal_handler(number, set_level, level)

    def undo() -> None:
        for number in levels:
            loop.remove_signal_handler(number)

    return undo


class Cleanups:
    """Actions that undo what was started, run last-in first-out, each whatever became of the others."""

    def __init__(self, on_error: Callable[[str, BaseException], None]) -> None:
        self._on_error = on_error
        self._stack: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def add(self, name: str, action: Callable[[], Awaitable[object]]) -> None:
        """Remember an action for the end."""
        self._stack.append((name, action))

    async def run(self) -> None:
        """Run all of them; running twice runs nothing twice."""
        while self._stack:
            name, action = self._stack.pop()
            try:
                await action()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the others still have to happen
                self._on_error(name, error)
