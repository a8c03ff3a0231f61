"""How late the event loop runs what is due: the first sign of a process that has too much to do."""

import asyncio

from sidecar.telemetry.histogram import Histogram

INTERVAL = 0.5  # seconds between measurements


class LoopLag:
    """Measures by a timer, which costs two wake-ups a second and no task.

    Args:
        histogram: Takes the lateness, in seconds.
    """

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def start(self) -> None:
        """Begin to measure."""
        self._next(asyncio.get_running_loop())

    async def stop(self) -> None:
        """Measure no more. May be called twice, and without a start."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + INTERVAL
        self._timer = loop.call_at(self._due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._histogram.observe(max(loop.time() - self._due, 0.0))
        self._next(loop)
