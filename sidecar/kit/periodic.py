"""Duties: coroutines that run again and again until they are told to stop."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

AFTER_FAILURE = 60.0
"""Seconds after which a duty that failed runs again, where its interval is longer."""


class Periodic:
    """Run a duty every ``interval`` seconds, or sooner when woken; one run at a time.

    ``run_once`` returns whether it should be run again at once (it had more to do than it could take). What it
    raises is handed to ``on_error``, which may raise in its turn to end the duty: that is a fault of the process.

    After a failure a duty of long intervals runs again after a minute.

    The second run comes after a random part of the interval, so that duties which begin together, in this process or in
    replicas, do not come together for ever.
    """

    def __init__(
        self,
        name: str,
        *,
        interval: float,
        run_once: Callable[[], Awaitable[bool]],
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self.name = name
        self._interval = interval
        self._run_once = run_once
        self._on_error = on_error
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Run at the next opportunity instead of waiting for the interval."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        pause = self._interval * random.random()  # noqa: S311 - spreads load, and keeps no secret
        while True:
            again = False
            self._wake.clear()
            try:
                again = await self._run_once()
            except Exception as error:
                if _cancelled():  # what failed on the way out must not keep us here
                    raise asyncio.CancelledError from error
                self._on_error(self.name, error)
                pause = min(pause, AFTER_FAILURE)
            if again:
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            pause = self._interval


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
