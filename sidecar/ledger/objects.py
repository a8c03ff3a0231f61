"""Bodies that move to the object store, and stored objects that are over: the ledger names, others read and write."""

from collections.abc import Sequence
from uuid import UUID

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.clock import DatabaseClock, ceiling_id
from sidecar.ledger.packing import unpack
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.retry import KnownObject, Unmoved

MAX_BYTES = 16 << 20  # bodies in one answer
REFUSED_AGAIN = 6 * 3600.0  # seconds after which an object that could not be removed is tried once more
FIRST = UUID(int=0)


class Objects:
    """What the duties that write and remove objects ask."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon, clock: DatabaseClock) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon
        self._clock = clock

    async def unmoved(self, limit: int = 100) -> list[Unmoved]:
        """Tell pending retries whose body lies in Postgres only, oldest failure first; bounded to 16 MiB of bodies."""
        lo, hi = await self._horizon.bounds()
        rows = await self._pool.fetch(self._queries.unmoved, lo, hi, limit, MAX_BYTES)
        return [
            Unmoved(
                UUID(int=row["job_id"].int),
                row["service"],
                row["route"],
                row["endpoint"],
                row["headers"],
                unpack(row["body"], row["packed"]),
            )
            for row in rows
        ]

    async def moved(self, job_id: UUID, service: str, stored: bytes) -> bool:
        """Name the object that a retry's body was copied to.

        Returns:
            False when another's copy is named or the retry is over: then remove this object again.
        """
        return bool(await self._pool.fetch(self._queries.moved, job_id, service, stored))

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:
        """Name the object that a small body was copied to for its first attempt.

        Returns:
            The object that counts; where it is another, remove this one again.
        """
        rows = await self._pool.fetch(self._queries.kept, job_id, service, stored)
        return bytes(rows[0]["object"])

    async def uploaded(self, job_id: UUID, handed: bytes) -> None:
        """Remember what became of the caller's own upload-url, see model.handed; the first word stands."""
        await self._pool.fetch(self._queries.uploaded, job_id, handed)

    async def over(self, retention: float, limit: int = 100) -> list[KnownObject]:
        """Doom objects that are older than ``retention`` seconds and that no open work needs.

        No redrive relies on them any more. Remove them from the store, then say so with :meth:`deleted`; what is not
        said to be removed is told again after ten minutes.
        """
        hi = ceiling_id(self._clock.now() - retention)
        rows = await self._pool.fetch(self._queries.objects_over, FIRST, hi, retention, limit)
        return [KnownObject(UUID(int=row["job_id"].int), row["service"], row["object"]) for row in rows]

    async def unwanted(self, limit: int = 100) -> list[KnownObject]:
        """Doom objects that nobody will ask for, as :meth:`over` does with old ones."""
        rows = await self._pool.fetch(self._queries.objects_unwanted, limit)
        return [KnownObject(UUID(int=row["job_id"].int), row["service"], row["object"]) for row in rows]

    async def deleted(self, objects: Sequence[KnownObject]) -> int:
        """Forget objects that were removed from the store; tell how many were known."""
        return len(await self._pool.fetch(self._queries.objects_deleted, *_columns(objects))) if objects else 0

    async def put_off(self, objects: Sequence[KnownObject]) -> None:
        """Tell doomed objects again after hours only: the store refused to remove them, and others are waiting."""
        if objects:
            await self._pool.fetch(self._queries.objects_put_off, *_columns(objects), REFUSED_AGAIN)


def _columns(objects: Sequence[KnownObject]) -> tuple[list[UUID], list[str], list[bytes]]:
    return (
        [item.job_id for item in objects],
        [item.service for item in objects],
        [item.stored for item in objects],
    )
