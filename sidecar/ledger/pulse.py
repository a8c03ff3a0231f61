"""What this worker did, noted minute by minute: the charts of operators show all workers, also those that are gone."""

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.browse import CAP
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.ledger.stats import LedgerStats

Counts = tuple[int, int, int, int]


class Pulse:
    """Adds what was done since the last time to the minute of now."""

    def __init__(
        self, pool: LinkPool, queries: Queries, *, ownership: Ownership, horizon: Horizon, stats: LedgerStats
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership
        self._horizon = horizon
        self._stats = stats
        self._told: Counts = (0, 0, 0, 0)

    async def add(self) -> None:
        """Note it; what could not be noted is part of the next note."""
        now = self._counts()
        done = [count - told for count, told in zip(now, self._told, strict=True)]
        bounds = await self._horizon.bounds()
        await self._pool.fetch(self._queries.pulse_add, *bounds, self._ownership.worker, *done, CAP)
        self._told = now

    def _counts(self) -> Counts:
        stats = self._stats
        return stats.rows["accept"], stats.ends["delivered"], stats.ends["silent"], stats.ends["failed"]
