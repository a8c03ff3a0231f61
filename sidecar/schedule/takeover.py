"""Free the work of workers that are dead, again and again: a dead worker's late commit may still add to it."""

from collections.abc import Callable
from typing import Protocol

from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Ledger(Protocol):
    """What the duty needs of the ledger."""

    async def take_over(self) -> int:
        """Free rows whose worker is not alive; return how many."""


class TakeOver:
    """Sweep once; all replicas may do so at the same time.

    Args:
        ledger: The ledger's side.
        freed: Called when work was freed: it can be claimed now.
        log: Where it is told.
    """

    def __init__(self, ledger: Ledger, *, freed: Callable[[], None], log: EventLog) -> None:
        self._ledger = ledger
        self._freed = freed
        self._log = log

    async def run_once(self) -> bool:
        """Free what can be freed; true when there may be more."""
        freed = await self._ledger.take_over()
        if freed:
            self._log.warning(Event.WORK_TAKEN_OVER, rows=freed)
            self._freed()
        return freed > 0
