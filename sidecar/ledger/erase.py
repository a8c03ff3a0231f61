"""Erasing what a job holds, at somebody's wish."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries


@dataclass(frozen=True, slots=True)
class Wiped:
    """What became of the rows of a job.

    ``done`` is false where it still runs: a service may still answer (``calling``), or a message is still to be sent
    (``sending``). ``objects`` are those that are named and not yet known to be removed, see model.stored.
    """

    erased_at: datetime | None
    calling: bool
    sending: bool
    done: bool
    bodies: int
    objects: tuple[bytes, ...]


class Erase:
    """Wipes rows, and notes that everything is gone."""

    def __init__(self, pool: LinkPool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def wipe(self, job_id: UUID, *, cancel: bool) -> Wiped | None:
        """Wipe a job's rows, but for ids, states and times; None when there is no such job.

        Args:
            job_id: The job.
            cancel: Cancel it first, if it still runs; else it is left alone then.
        """
        rows = await self._pool.fetch(self._queries.erase_job, job_id, cancel)
        if not rows:
            return None
        fields = dict(rows[0])
        return Wiped(**{**fields, "objects": tuple(map(bytes, fields["objects"]))})

    async def erased(self, job_id: UUID) -> bool:
        """Note that a job's objects are removed too; False when that was noted before."""
        return bool(await self._pool.fetch(self._queries.erased, job_id))
