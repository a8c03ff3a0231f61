"""Claiming due work, a few rows of each service or endpoint that has free slots."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from zstandard import ZstdError

from sidecar.ledger.bounds import Horizon, LowWater
from sidecar.ledger.link import Rows
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.packing import unpack
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.ledger.stats import LedgerStats
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.route import ServiceCall

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

MAX_BYTES = 16 << 20  # bodies in one claim
PAGE = 500  # names in one step of a skip scan


class Build(Protocol[T_co]):
    """Makes a value of a claimed row."""

    def __call__(self, row: Mapping[str, Any], /, *, worker: int) -> T_co:
        """Build it, as the property of this worker."""


@dataclass(frozen=True, slots=True)
class WorkPage:
    """Names that have due work; ``cursor`` continues the scan, None is its end."""

    names: tuple[str, ...]
    cursor: str | None


class DueScan:
    """Takes due rows of one table: of each name at most its free slots, and beginning where the last scan ended."""

    def __init__(self, pool: LinkPool, query: str, *, horizon: Horizon, name: str) -> None:
        self._pool = pool
        self._query = query
        self._horizon = horizon
        self._name = name
        self._low = LowWater()

    async def claim(self, free: Mapping[str, int], *, worker: int, max_bytes: int = MAX_BYTES) -> Rows:
        """Claim rows for the worker; none while it has no id."""
        wanted = {name: slots for name, slots in free.items() if slots > 0}
        if not wanted or not worker:
            return ()
        lo, hi = await self._horizon.bounds()
        marks = self._low.low(wanted, now=asyncio.get_running_loop().time())
        slots = list(wanted.values())
        rows = await self._pool.fetch(self._query, lo, hi, worker, list(wanted), slots, marks, max_bytes)
        for row in rows:
            self._low.claimed(row[self._name], row["due"])
        return rows


class Claims:
    """Finds due work and takes it."""

    def __init__(self, pool: LinkPool, queries: Queries, *, ownership: Ownership, horizon: Horizon) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership
        self._horizon = horizon
        self._invocations = DueScan(pool, queries.claim_invocations, horizon=horizon, name="service_key")
        self._deliveries = DueScan(pool, queries.claim_deliveries, horizon=horizon, name="endpoint")

    async def invocations(self, free: Mapping[str, int], *, max_bytes: int = MAX_BYTES) -> list[Invocation]:
        """Claim due invocations: of each service key at most its free slots. They count as held."""
        worker = self._ownership.worker
        rows = await self._invocations.claim(free, worker=worker, max_bytes=max_bytes)
        found = readable(rows, claimed_invocation, worker=worker, stats=self._ownership.stats)
        return found if self._ownership.holding(found, worker=worker) else []

    async def deliveries(self, free: Mapping[str, int], *, max_bytes: int = MAX_BYTES) -> list[Delivery]:
        """Claim due deliveries: of each endpoint at most its free slots. They count as held."""
        worker = self._ownership.worker
        rows = await self._deliveries.claim(free, worker=worker, max_bytes=max_bytes)
        found = readable(rows, claimed_delivery, worker=worker, stats=self._ownership.stats)
        return found if self._ownership.holding(found, worker=worker) else []

    async def service_keys(self, cursor: str = "", *, limit: int = PAGE) -> WorkPage:
        """Tell which services have due invocations."""
        lo, hi = await self._horizon.bounds()
        return work_page(await self._pool.fetch(self._queries.service_keys_with_work, lo, hi, cursor, limit), limit)

    async def endpoints(self, cursor: str = "", *, limit: int = PAGE) -> WorkPage:
        """Tell which endpoints have due deliveries."""
        lo, hi = await self._horizon.bounds()
        return work_page(await self._pool.fetch(self._queries.endpoints_with_work, lo, hi, cursor, limit), limit)


def readable(rows: Rows, build: Build[T], *, worker: int, stats: LedgerStats) -> list[T]:
    """Build what can be built of claimed rows.

    One that is damaged fails alone: nobody holds it, so that it is freed again and parked in the end.
    """
    found: list[T] = []
    for row in rows:
        try:
            found.append(build(row, worker=worker))
        except (ValueError, ZstdError):
            stats.rejected["claim"] += 1
    return found


def work_page(rows: Rows, limit: int) -> WorkPage:
    """Build a page from the rows of a skip scan."""
    names = tuple(row["name"] for row in rows if row["due"])
    return WorkPage(names, rows[-1]["name"] if len(rows) == limit else None)


def claimed_invocation(row: Mapping[str, Any], *, worker: int) -> Invocation:
    """Build an invocation from a claimed row."""
    return Invocation(
        job_id=UUID(int=row["job_id"].int),
        worker=worker,
        claim=row["claim"],
        call=ServiceCall.load(row["call"]),
        attempts=row["attempts"],
        unsure=row["unsure"],
        method=row["method"],
        headers=row["headers"],
        body=unpack(row["body"], row["packed"]),
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        route=row["route"],
        traceparent=row["traceparent"],
        deadline_at=row["deadline_at"],
        stored=row["object"],
    )


def claimed_delivery(row: Mapping[str, Any], *, worker: int) -> Delivery:
    """Build a delivery from a claimed row."""
    return Delivery(
        job_id=UUID(int=row["job_id"].int),
        service=row["service"],
        worker=worker,
        claim=row["claim"],
        kind=MessageKind(row["kind"]),
        status=ResultStatus(row["status"]),
        endpoint=row["endpoint"],
        attempts=row["attempts"],
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        route=row["route"],
        traceparent=row["traceparent"],
        services_total=row["services_total"],
        headers=row["headers"],
        body=unpack(row["body"], row["packed"]),
        stored=row["object"],
        upload_url=row["upload_url"],
        uploaded=row["uploaded"],
        links_base=row["links_base"],
    )
