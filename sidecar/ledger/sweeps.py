"""Duties that find work which nobody is doing. Every replica may run each of them at any time."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sidecar.ledger.bounds import Horizon, LowWater
from sidecar.ledger.link import Rows
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.registry import Table
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.route import ServiceCall

SWEEP = 500  # rows of one dead worker and table in one statement
DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Held:
    """A row that the ledger says a worker holds."""

    table: Table
    job_id: UUID
    service: str
    worker: int
    claim: int


@dataclass(frozen=True, slots=True)
class OpenInvocation:
    """An invocation that has to be ended: past its deadline, or parked. Nothing here is owned."""

    job_id: UUID
    service: str
    call: ServiceCall
    attempts: int  # finished ones
    started: bool  # somebody claimed it at least once
    unsure: bool
    acknowledged: bool
    last_status: int | None
    last_reason: str | None
    deadline_at: datetime
    correlation_id: str
    route: str


class Sweeps:
    """Finds rows of the dead, of commits whose answer was lost, and past their time."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon, retrying: Horizon) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon
        self._retrying = retrying
        self._low = LowWater()

    async def take_over(self) -> int:
        """Free a bounded number of rows whose worker is not alive, and tell how many."""
        lo, hi = await self._horizon.bounds()
        invocations = await self._pool.fetch(self._queries.take_over_invocations, lo, hi, SWEEP)
        deliveries = await self._pool.fetch(self._queries.take_over_deliveries, lo, hi, SWEEP)
        lo, hi = await self._retrying.bounds()
        retries = await self._pool.fetch(self._queries.take_over_retries, lo, hi, SWEEP)
        return len(invocations) + len(deliveries) + len(retries)

    async def held(self, worker: int, older_than: float) -> list[Held]:
        """Tell what the ledger says the worker has held for more than ``older_than`` seconds."""
        lo, hi = await self._horizon.bounds()
        rows = await self._pool.fetch(self._queries.held, lo, hi, worker, older_than)
        return [Held(row["kind"], UUID(int=row["job_id"].int), row["service"], worker, row["claim"]) for row in rows]

    async def give_back(self, rows: Iterable[Held]) -> int:
        """Free rows under the claim that they name; tell how many were still held so."""
        ordered = sorted(rows, key=lambda row: (row.job_id.int, row.service))
        queries: dict[Table, str] = {
            "invocation": self._queries.give_back_invocations,
            "delivery": self._queries.give_back_deliveries,
            "retry": self._queries.give_back_retries,
        }
        freed = 0
        for table, query in queries.items():
            freed += await self._give_back(query, [row for row in ordered if row.table == table])
        return freed

    async def _give_back(self, query: str, rows: Sequence[Held]) -> int:
        if not rows:
            return 0
        columns = zip(*((row.job_id, row.service, row.worker, row.claim) for row in rows), strict=True)
        return len(await self._pool.fetch(query, rows[0].job_id, rows[-1].job_id, *columns))

    async def release_all(self, worker: int) -> int:
        """Free everything that the worker owns, at its orderly end."""
        lo, hi = await self._horizon.bounds()
        invocations = await self._pool.fetch(self._queries.release_all_invocations, lo, hi, worker)
        deliveries = await self._pool.fetch(self._queries.release_all_deliveries, lo, hi, worker)
        retries = await self._pool.fetch(self._queries.release_all_retries, worker)
        return len(invocations) + len(deliveries) + len(retries)

    async def expired(self, limit: int) -> list[OpenInvocation]:
        """Tell invocations past their deadline, oldest first; record the outcome ``deadline`` for each."""
        lo, hi = await self._horizon.bounds()
        low = self._low.low([DEADLINE], now=asyncio.get_running_loop().time())
        found = open_invocations(await self._pool.fetch(self._queries.expired, lo, hi, low[0], limit))
        if found:
            self._low.claimed(DEADLINE, found[-1].deadline_at)
        return found

    async def parked(self, limit: int) -> list[OpenInvocation]:
        """Tell invocations that crashed too many workers; record the outcome ``error`` for each."""
        lo, hi = await self._horizon.bounds()
        return open_invocations(await self._pool.fetch(self._queries.parked, lo, hi, limit))


def open_invocations(rows: Rows) -> list[OpenInvocation]:
    """Build them from rows."""
    return [
        OpenInvocation(
            job_id=UUID(int=row["job_id"].int),
            service=row["service"],
            call=ServiceCall.load(row["call"]),
            attempts=row["attempts"],
            started=row["claim"] > 0,
            unsure=row["unsure"],
            acknowledged=row["acknowledged"],
            last_status=row["last_status"],
            last_reason=row["last_reason"],
            deadline_at=row["deadline_at"],
            correlation_id=row["correlation_id"],
            route=row["route"],
        )
        for row in rows
    ]
