"""Making partitions ahead and removing old ones, without stopping anyone."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from sidecar.ledger.clock import DatabaseClock
from sidecar.ledger.days import PARTITION
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.errors import LedgerError, LedgerUnavailable

PARENTS = ("job", "payload", "invocation", "delivery")
OPEN = {"invocation": "outcome IS NULL", "delivery": "state = 'open' AND worker IS NULL"}
OWNED = {"invocation": "outcome IS NULL", "delivery": "state = 'open' AND worker IS NOT NULL"}
DAY = 86_400.0
LEASE = "prune"
LEASE_TIME = 600.0
PRUNE_TIME = 100.0  # seconds for the rows of one table; all together stay within the lease
TRIES = 5  # at a lock that somebody holds
PAUSE = 0.2
DEAD_WORKERS_KEPT = DAY
AUDIT_KEPT = 400 * DAY
MADE_FOR = 2.0  # seconds in which nobody else asks for what was made, or could not be made
FORGOTTEN = 7 * DAY  # endpoints of which nothing was heard since


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of one table; ``age`` is in days, ``pending`` a removal that was interrupted."""

    parent: str
    name: str
    attached: bool
    pending: bool
    age: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a round of pruning removed."""

    partitions: tuple[str, ...]
    idempotency_keys: int
    workers: int
    retries: int = 0
    endpoints: int = 0
    audit: int = 0


class Partitions:
    """The days of the four large tables."""

    def __init__(self, pool: LinkPool, queries: Queries, *, ownership: Ownership, clock: DatabaseClock) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership
        self._clock = clock
        self._made_until = 0.0  # seconds since 1970
        self._making = asyncio.Lock()
        self._made_at = self._failed_at = float("-inf")

    async def ensure(self, days_ahead: int) -> int:
        """Make the partitions from yesterday to ``days_ahead`` days from today (UTC), and tell how many were new.

        The table of jobs comes last on each day: what is not whole takes no job.
        """
        days = range(-1, days_ahead + 1)
        made = sum([await self._add(parent, offset) for offset in days for parent in reversed(PARENTS)])
        self._made_until = max(self._made_until, (self._clock.now() // DAY + days_ahead + 1) * DAY)
        return made

    def days_ahead(self) -> float:
        """Tell the days for which there are partitions, today's rest included; below 0 requests are refused."""
        return (self._made_until - self._clock.now()) / DAY

    async def make_today(self) -> None:
        """Make what is missing of today, once for all who miss it.

        Raises:
            LedgerUnavailable: It cannot be made now.
        """
        async with self._making:
            now = asyncio.get_running_loop().time()
            if now < self._made_at + MADE_FOR:
                return
            if now < self._failed_at + MADE_FOR:
                raise LedgerUnavailable("today has no partition, and it cannot be made")
            try:
                await self.ensure(1)
            except LedgerError:
                self._failed_at = asyncio.get_running_loop().time()
                raise
            self._made_at = asyncio.get_running_loop().time()

    async def _add(self, parent: str, offset: int) -> bool:
        for _ in range(TRIES - 1):
            try:
                return await self._try_to_add(parent, offset)
            except LedgerUnavailable:  # a lock was not to be had within its second: let others pass, then queue again
                await asyncio.sleep(PAUSE)
        return await self._try_to_add(parent, offset)

    async def _try_to_add(self, parent: str, offset: int) -> bool:
        return bool((await self._pool.fetch(self._queries.add_partition, parent, offset))[0]["added"])

    async def prune(self, retention: float, *, audit: float = AUDIT_KEPT) -> Pruned:
        """Remove days older than ``retention`` seconds that have no open row, and other rows that are over.

        What operators did is kept for ``audit`` seconds.

        One replica at a time: the others return at once, with nothing removed.
        """
        worker = self._ownership.worker
        if not await self._pool.fetch(self._queries.lease_take, LEASE, worker, LEASE_TIME):
            return Pruned((), 0, 0)
        try:
            dropped: list[str] = []
            for _, day in groupby(await self._list(), key=lambda part: part.name[-8:]):
                parts = list(day)
                if (parts[0].age - 1) * DAY >= retention:
                    dropped += await self._remove(parts)
            keys = await self._remove_all(self._queries.prune_idempotency)
            workers = await self._remove_all(self._queries.prune_workers, DEAD_WORKERS_KEPT)
            retries = await self._remove_all(self._queries.prune_retries, retention)
            endpoints = await self._remove_all(self._queries.prune_endpoints, FORGOTTEN)
            await self._remove_all(self._queries.prune_pulse)
            actions = await self._remove_all(self._queries.prune_audit, audit)
            return Pruned(tuple(dropped), keys, workers, retries, endpoints, actions)
        finally:
            with suppress(LedgerUnavailable):  # it ends by itself; and what ended this round is what to tell
                await self._pool.fetch(self._queries.lease_leave, LEASE, worker)

    async def _remove_all(self, query: str, *args: float) -> int:
        """Remove a bounded number of rows again and again, until there are none left or it has taken long."""
        until = asyncio.get_running_loop().time() + PRUNE_TIME
        removed = 0
        while rows := await self._pool.fetch(query, *args):
            removed += len(rows)
            if asyncio.get_running_loop().time() >= until:
                break
        return removed

    async def _list(self) -> list[Partition]:
        return [Partition(**row) for row in await self._pool.fetch(self._queries.partitions)]

    async def _remove(self, parts: Sequence[Partition]) -> list[str]:
        if await self._any_open(parts):
            await self._put_back(parts)
            return []
        for part in parts:
            if part.pending:
                await self._ddl(self._queries.partition_finalize, part)
            elif part.attached:
                await self._ddl(self._queries.partition_detach, part)
        if await self._any_open(parts):  # opened while it was being taken off
            await self._put_back([Partition(p.parent, p.name, attached=False, pending=False, age=p.age) for p in parts])
            return []
        for part in parts:
            await self._ddl(self._queries.partition_drop, part)
        return [part.name for part in parts]

    async def _put_back(self, parts: Sequence[Partition]) -> None:
        for part in parts:
            if part.pending:
                await self._ddl(self._queries.partition_finalize, part)
            if part.pending or not part.attached:
                await self._pool.fetch(self._queries.partition_attach, part.parent, part.name)

    async def _any_open(self, parts: Sequence[Partition]) -> bool:
        for part in parts:
            if part.parent in OPEN and await self._ddl(self._queries.partition_open, part):
                return True
        rows = await self._pool.fetch(self._queries.partition_retrying, parts[0].name)
        return bool(rows[0]["open"])

    async def _ddl(self, template: str, part: Partition) -> bool:
        # A name of a table cannot be a parameter. These come from the catalogue and have a narrow form.
        if not PARTITION.fullmatch(part.name) or part.parent not in PARENTS:
            raise LedgerError("a partition has an unexpected name")
        text = template.format(
            parent=part.parent,
            partition=part.name,
            open=OPEN.get(part.parent, ""),
            owned=OWNED.get(part.parent, ""),
        )
        rows = await self._pool.fetch(text)
        return bool(rows and rows[0]["open"])
