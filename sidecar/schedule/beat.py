"""Show that this worker lives, and watch whether the others do."""

import asyncio
from collections.abc import Callable
from typing import Protocol

AGAIN = 1 / 3
"""Part of the interval after which a beat that did not come through is tried again."""


class Workers(Protocol):
    """What the duty needs of the ledger."""

    def since_beat(self) -> float:
        """Tell the seconds since the last beat that came through."""

    async def beat(self) -> bool:
        """Renew this worker; false when it found itself dead and took a new id."""

    async def observe(self) -> int:
        """Bury workers whose beat stood still; return how many."""


class Beat:
    """Beat when it is time, and look at the others. Who cannot beat buries nobody.

    A worker that finds itself dead has forgotten its work and has a new id. Looking is more frequent than beating: it
    costs a read where a beat costs a commit, and by it a death is seen sooner.

    Args:
        workers: The ledger's side.
        interval: Seconds between beats.
        buried: Called when this worker buried others: their work can be taken over now.
    """

    def __init__(self, workers: Workers, *, interval: float, buried: Callable[[], None]) -> None:
        self._workers = workers
        self._interval = interval
        self._buried = buried
        self._tried = float("-inf")

    async def run_once(self) -> bool:
        """Beat and observe, in turn on one connection; there is never more to do at once."""
        if self._workers.since_beat() >= self._interval:
            now = asyncio.get_running_loop().time()
            if now < self._tried + AGAIN * self._interval:
                return False
            self._tried = now
            await self._workers.beat()
        if await self._workers.observe():
            self._buried()
        return False
