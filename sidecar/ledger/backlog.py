"""What waits in the ledger, by state, as metrics tell it."""

from dataclasses import dataclass

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries

CAP = 10_000  # rows that a count goes up to

DUE_STATES = ("calls_waiting", "messages_waiting", "retries_waiting")
"""States whose rows have a time at which they can be done."""

STATES = (*DUE_STATES, "calls_open", "messages_sending")
"""All states that are counted."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The rows of one state: how many, how many of them are due, and how long the oldest has been, in seconds."""

    state: str
    rows: int
    due: int
    oldest: float


class Backlog:
    """Counts what waits. Any replica may ask, and all get the same answer."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon

    async def read(self) -> list[Waiting]:
        """Count up to ``CAP`` rows of each state.

        Raises:
            LedgerUnavailable: The database is away.
        """
        bounds = await self._horizon.bounds()
        rows = await self._pool.fetch(self._queries.backlog_due, *bounds, CAP)
        return [Waiting(row["state"], row["rows"], row["due"], max(row["oldest"] or 0.0, 0.0)) for row in rows]
