"""Short pieces of work that follow a request and must not be lost with it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Background:
    """Hold tasks so that they are neither collected nor forgotten at shutdown.

    Args:
        on_error: Called with what a task raised.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine to its end, whoever started it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self, within: float) -> None:
        """Wait for all tasks, at most ``within`` seconds; then cancel the rest."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while self._tasks and (left := end - loop.time()) > 0:  # what is spawned meanwhile is waited for too
            await asyncio.wait(self._tasks, timeout=left)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
