"""The ledger for people at a terminal: it reads and redrives without becoming a worker."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sidecar.ledger.audit import Audit
from sidecar.ledger.bounds import Horizon
from sidecar.ledger.clock import DatabaseClock, boottime
from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.jobs import JobReader
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.redrive import FIRST, LAST, Redrive, filter_cells
from sidecar.ledger.server import check_server
from sidecar.ledger.sqlfiles import load_queries
from sidecar.ledger.stats import LedgerStats
from sidecar.model.job import JobView
from sidecar.model.retry import EndpointState, RedriveFilter


@dataclass(frozen=True, slots=True)
class RetryCount:
    """How many messages of one endpoint are in one state, and how many of them a redrive would take."""

    endpoint: str
    state: str
    count: int
    redrivable: int


class OperatorLedger:
    """One connection to the ledger that owns no rows. ``redrive`` lists, redrives and cancels, ``audit`` notes it."""

    def __init__(self, config: LedgerConfig) -> None:
        self._queries = queries = load_queries()
        self._pool = pool = LinkPool(dataclasses.replace(config, pool=1), LedgerStats())
        self._clock = clock = DatabaseClock()
        self._jobs = JobReader(pool, queries)
        horizon = Horizon(pool, queries.retries_since, clock)
        self.audit = Audit(pool, queries)
        self.redrive = Redrive(pool, queries, horizon=horizon, clock=clock)

    async def start(self) -> None:
        """Connect, look at server and schema, and read the database's clock.

        Raises:
            LedgerUnavailable: The database is away.
            ConfigError: The schema is too old, or the server forgets commits.
        """
        await check_server(self._pool, self._queries)
        sent = boottime()
        rows = await self._pool.fetch(self._queries.clock)
        self._clock.measure(rows[0]["epoch"], sent=sent, received=boottime())

    async def close(self) -> None:
        """Close the connection."""
        await self._pool.close()

    def now(self) -> datetime:
        """Tell the database's time: due times and filters are by that clock."""
        return datetime.fromtimestamp(self._clock.now(), UTC)

    async def count(self, which: RedriveFilter) -> list[RetryCount]:
        """Count what a list would show, most first."""
        rows = await self._pool.fetch(self._queries.retries_counted, FIRST, LAST, *filter_cells(which))
        return [RetryCount(**row) for row in rows]

    async def away(self, endpoint: str) -> EndpointState | None:
        """Tell how long an endpoint is left alone; None when it is not."""
        rows = await self._pool.fetch(self._queries.endpoints_away)
        return next((EndpointState(**row) for row in rows if row["endpoint"] == endpoint), None)

    async def job(self, job_id: UUID) -> JobView | None:
        """Read what is known of a job; None when there is none."""
        return await self._jobs.view(job_id)


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
