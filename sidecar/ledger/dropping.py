"""Sweeps over the jobs, in the order of their ids, that drop bodies which nobody needs any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from sidecar.ledger.clock import DatabaseClock, ceiling_id, floor_id
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.job import accepted_at

LEAST_AGE = 60.0  # seconds: a job is committed long before it is so old, or was told of by Dropping.note
LATE = 20.0  # seconds after which a job that is not stored yet is told of
OLDEST = 42 * 86_400.0  # seconds: no job is kept for longer
LEASE_TIME = 60.0
DAY_BITS = 86_400_000 << 80  # ids that one day has
LIMIT = 500  # jobs that one look takes


@dataclass(frozen=True, slots=True)
class Swept:
    """What one look came to: how many bodies went, and whether there may be more to look at at once."""

    dropped: int
    more: bool


class Dropping:
    """Drops requests that every service has taken, and results that were delivered long enough ago.

    One replica at a time does each of them; the others return at once.
    """

    def __init__(self, pool: LinkPool, queries: Queries, *, ownership: Ownership, clock: DatabaseClock) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership
        self._clock = clock

    def late(self, job_id: UUID) -> bool:
        """Tell whether a job's id was made long ago: its body took its time."""
        return self._clock.now() - accepted_at(job_id) > LATE

    async def note(self, job_id: UUID) -> None:
        """Have the sweep look at a job that is about to be stored late, wherever the mark is by then."""
        await self._pool.fetch(self._queries.sweep_job, job_id)

    async def requests(self) -> Swept:
        """Drop requests, with the credentials in them."""
        return await self._sweep("requests", self._queries.drop_requests, LEAST_AGE, ())

    async def results(self, retention: float, *, least_age: float = LEAST_AGE) -> Swept:
        """Drop the bodies of messages that were delivered, or given up, ``retention`` seconds ago.

        Jobs are looked at once they are so old, and ``least_age`` seconds at the least, after which each is stored.
        """
        behind = max(least_age, retention)
        return await self._sweep("results", self._queries.drop_results, behind, (retention,))

    async def _sweep(self, name: str, query: str, behind: float, more: tuple[object, ...]) -> Swept:
        lease = await self._pool.fetch(self._queries.lease_take, f"drop {name}", self._ownership.worker, LEASE_TIME)
        if not lease:
            return Swept(0, more=False)
        mark = UUID(int=(await self._pool.fetch(self._queries.sweep_upto, name))[0]["upto"].int)
        now = self._clock.now()
        lo = max(UUID(int=mark.int + 1), floor_id(now - OLDEST))
        end = ceiling_id(now - behind)
        if mark > end:  # what is between would never be looked at
            await self._pool.fetch(self._queries.sweep_back, name, end)
            return Swept(0, more=False)
        hi = min(end, UUID(int=lo.int + DAY_BITS))
        rows = await self._pool.fetch(self._queries.sweep_jobs, lo, hi, name, LIMIT)
        fresh = [UUID(int=row["job_id"].int) for row in rows if row["fresh"]]
        later = sorted(UUID(int=row["job_id"].int) for row in rows if not row["fresh"])
        dropped = 0
        for _, day in groupby(later, key=lambda job_id: job_id.int // DAY_BITS):
            dropped += await self._drop(query, list(day), more, mark)
        whole = len(fresh) < LIMIT
        upto = hi if whole else fresh[-1]
        if fresh or hi < end:
            dropped += await self._drop(query, fresh, more, upto)
        return Swept(dropped, more=not whole or len(later) == LIMIT or hi < end)

    async def _drop(self, query: str, jobs: Sequence[UUID], more: tuple[object, ...], upto: UUID) -> int:
        lo, hi = (jobs[0], jobs[-1]) if jobs else (upto, upto)
        rows = await self._pool.fetch(query, lo, hi, list(jobs), *more, upto)
        return int(rows[0]["dropped"])
