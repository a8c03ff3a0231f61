"""Show that this worker lives, and watch whether the others do."""

from typing import Protocol


class Workers(Protocol):
    """What the duty needs of the ledger."""

    async def beat(self) -> bool:
        """Renew this worker; false when it found itself dead and took a new id."""

    async def observe(self) -> int:
        """Bury workers whose beat stood still; return how many."""


class Beat:
    """Beat, then look at the others. A worker that finds itself dead has forgotten its work and has a new id."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def run_once(self) -> bool:
        """Beat and observe, in turn on one connection; there is never more to do at once."""
        await self._workers.beat()
        await self._workers.observe()
        return False
