"""Free rows that say "mine" but that this process does not hold: a commit whose answer was lost left them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from sidecar.ledger import Held, Registry
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Ledger(Protocol):
    """What the duty needs of the ledger."""

    @property
    def registry(self) -> Registry:
        """What this process holds."""

    async def held_too_long(self, older_than: float) -> Sequence[Held]:
        """Tell what the ledger says this worker has held for more than ``older_than`` seconds."""

    async def give_back(self, rows: Iterable[Held]) -> int:
        """Free rows under the claim that they name; return how many."""


class Reconcile:
    """Compare the ledger with what this process holds, once.

    Args:
        older_than: Seconds; younger claims may be on their way from the database to this process.
    """

    def __init__(self, ledger: Ledger, *, older_than: float, log: EventLog) -> None:
        self._ledger = ledger
        self._older_than = older_than
        self._log = log

    async def run_once(self) -> bool:
        """Release what nobody holds."""
        holds = self._ledger.registry.holds
        lost = [
            row
            for row in await self._ledger.held_too_long(self._older_than)
            if not holds(row.table, row.job_id, row.service, row.claim)
        ]
        if lost:
            self._log.warning(Event.WORK_RECONCILED, rows=await self._ledger.give_back(lost))
        return False
