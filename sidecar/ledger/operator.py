"""The ledger for operators: it reads and redrives without becoming a worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sidecar.ledger.audit import Audit
from sidecar.ledger.bounds import Horizon
from sidecar.ledger.browse import Browse
from sidecar.ledger.clock import DatabaseClock, boottime
from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.erase import Erase
from sidecar.ledger.holds import Holds
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.redrive import FIRST, LAST, Redrive, filter_cells
from sidecar.ledger.server import check_server
from sidecar.ledger.sqlfiles import load_queries
from sidecar.ledger.stats import LedgerStats
from sidecar.model.retry import EndpointState, RedriveFilter
from sidecar.model.seen_retries import RetryCount


class OperatorLedger:
    """A few connections to the ledger that own no rows.

    ``redrive`` lists, redrives and cancels, ``browse`` looks around, ``holds`` holds endpoints, ``audit`` tells who did
    what, ``erase`` wipes jobs.

    Args:
        config: How to reach the database; how many connections, and how long a statement may take.
        clock: The database's clock, where somebody measures it already; then there is no need to start.
    """

    def __init__(self, config: LedgerConfig, *, clock: DatabaseClock | None = None) -> None:
        self._queries = queries = load_queries()
        self._pool = pool = LinkPool(config, LedgerStats())
        self._clock = clock = clock or DatabaseClock()
        horizon = Horizon(pool, queries.retries_since, clock)
        self.redrive = Redrive(pool, queries, horizon=horizon, clock=clock)
        self.browse = Browse(pool, queries, horizon=horizon, clock=clock)
        self.holds = Holds(pool, queries)
        self.audit = Audit(pool, queries)
        self.erase = Erase(pool, queries)

    async def start(self) -> None:
        """Connect, look at server and schema, and read the database's clock.

        Raises:
            LedgerUnavailable: The database is away.
            ConfigError: The schema is too old, or the server forgets commits.
        """
        await check_server(self._pool, self._queries)
        sent = boottime()
        epoch = await self._epoch()
        self._clock.measure(epoch, sent=sent, received=boottime())

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def now(self) -> datetime:
        """Ask the database for its time, due times and filters being by that clock.

        The reading of the last beat may be some milliseconds behind: a bound made of it leaves out what has just
        happened.

        Raises:
            LedgerUnavailable: The database is away.
        """
        return datetime.fromtimestamp(await self._epoch(), UTC)

    async def _epoch(self) -> float:
        rows = await self._pool.fetch(self._queries.clock)
        epoch: float = rows[0]["epoch"]
        return epoch

    async def count(self, which: RedriveFilter) -> list[RetryCount]:
        """Count what a list would show, most first."""
        rows = await self._pool.fetch(self._queries.retries_counted, FIRST, LAST, *filter_cells(which))
        return [RetryCount(**row) for row in rows]

    async def away(self, endpoint: str) -> EndpointState | None:
        """Tell how long an endpoint is left alone; None when it is not."""
        rows = await self._pool.fetch(self._queries.endpoints_away)
        return next((EndpointState(**row) for row in rows if row["endpoint"] == endpoint), None)


@asynccontextmanager
async def operator_ledger(config: LedgerConfig) -> AsyncIterator[OperatorLedger]:
    """Open the ledger for an operator, and close it at the end.

    Raises:
        LedgerUnavailable: The database is away.
        ConfigError: The schema is too old, or the server forgets commits.
    """
    ledger = OperatorLedger(config)
    try:
        await ledger.start()
        yield ledger
    finally:
        await ledger.close()
