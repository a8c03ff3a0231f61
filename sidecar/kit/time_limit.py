"""Bounds on how long a stretch of code may take, for where ``asyncio.timeout()`` is too dear."""

import asyncio
from types import TracebackType
from typing import Any

STEPS = 16
"""Timers of one second: a limit ends with the others of its step, never early and at most a step late."""


class TimeLimits:
    """Makes limits that share their timers: to set and cancel one for each costs more than all else about them."""

    def __init__(self) -> None:
        self._steps: dict[int, set[TimeLimit]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # asking for it costs a system call on Python 3.11

    def within(self, seconds: float) -> "TimeLimit":
        """Cancel what the current task waits for in the block after ``seconds``; ``TimeoutError`` is raised then."""
        return TimeLimit(self, seconds)

    def task(self) -> "asyncio.Task[Any]":
        """Tell the task that runs now; limits are used on one event loop only."""
        self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a time limit is for tasks")
        return task

    def join(self, limit: "TimeLimit", seconds: float, loop: asyncio.AbstractEventLoop) -> "set[TimeLimit]":
        """Let a limit expire ``seconds`` from now, unless it leaves the set that is returned."""
        step = int((loop.time() + seconds) * STEPS) + 1
        limits = self._steps.get(step)
        if limits is None:
            limits = self._steps[step] = set()
            loop.call_at(step / STEPS, self._expire, step)
        limits.add(limit)
        return limits

    def _expire(self, step: int) -> None:
        for limit in self._steps.pop(step):
            limit.expire()


class TimeLimit:
    """What ``asyncio.timeout()`` is, at a fraction of its cost; it cannot be rescheduled."""

    __slots__ = ("_cancelling", "_expired", "_limits", "_others", "_seconds", "_task")

    _task: "asyncio.Task[Any]"

    def __init__(self, limits: TimeLimits, seconds: float) -> None:
        self._limits = limits
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        self._task = task = self._limits.task()
        self._cancelling = task.cancelling()
        self._others = self._limits.join(self, self._seconds, task.get_loop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._others.discard(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """End the block."""
        self._expired = True
        self._task.cancel()
