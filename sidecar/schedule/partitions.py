"""Make the days ahead, and drop the days that are kept long enough."""

from typing import Protocol

from sidecar.ledger import Pruned
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Ledger(Protocol):
    """What the duty needs of the ledger."""

    async def ensure_partitions(self, days_ahead: int) -> int:
        """Make missing partitions; return how many."""

    async def prune(self, retention: float, *, audit: float) -> Pruned:
        """Drop partitions that ended ``retention`` seconds ago and hold no open work, and what else is over."""


class Partitions:
    """Make and drop once; replicas take turns by a lease.

    Args:
        retention: Seconds that finished jobs are kept.
        audit: Seconds that the actions of operators are kept.
        days_ahead: How many days beyond today must have partitions.
    """

    def __init__(self, ledger: Ledger, *, days_ahead: int, retention: float, audit: float, log: EventLog) -> None:
        self._ledger = ledger
        self._days_ahead = days_ahead
        self._retention = retention
        self._audit = audit
        self._log = log

    async def run_once(self) -> bool:
        """Make what is missing, then drop what is due."""
        made = await self._ledger.ensure_partitions(self._days_ahead)
        if made:
            self._log.info(Event.PARTITION_CREATED, partitions=made)
        pruned = await self._ledger.prune(self._retention, audit=self._audit)
        if pruned.partitions:
            self._log.info(Event.PARTITION_DROPPED, partitions=pruned.partitions)
        return False
