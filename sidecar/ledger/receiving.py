"""Callbacks that arrive piece by piece: their deadlines wait, and what stands in their place is told."""

from datetime import datetime
from uuid import UUID

from sidecar.ledger.days import for_day
from sidecar.ledger.link import DayMissing, Rows
from sidecar.ledger.outcomes import verdict
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.outcome import Recorded, Verdict


class Receiving:
    """The part of the ledger that is asked before a callback is read, or in its place."""

    _pool: LinkPool
    _queries: Queries

    async def receiving(self, job_id: UUID, service: str, *, seconds: float) -> datetime | Recorded:
        """Say that a large callback is arriving: its deadline waits for at most ``seconds``.

        Returns:
            Until when it waits, for :meth:`receiving_ended`; or what stands in its place already, with its digest:
            only the same result could still be accepted.
        """
        rows: Rows = ()
        for _ in range(2):  # once more for one that ended between looking and marking
            rows = await self._pool.fetch(self._queries.receiving, job_id, service, seconds, None)
            if rows and rows[0]["marked"] is not None:
                until: datetime = rows[0]["marked"]
                return until
            if not rows or rows[0]["outcome"] is not None:
                break
        return verdict(rows[0] if rows else None, b"")

    async def receiving_ended(self, job_id: UUID, service: str, *, until: datetime) -> None:
        """Say that a callback broke off: its deadline runs again, unless it waits for another one meanwhile.

        Args:
            job_id: The job.
            service: The service.
            until: What :meth:`receiving` told.
        """
        await self._pool.fetch(self._queries.receiving, job_id, service, 0.0, until)

    async def standing(self, job_id: UUID, service: str) -> Recorded | None:
        """Tell how an invocation ended, with the digest of its result; None while it is open."""
        try:
            rows = await self._pool.fetch(for_day(self._queries.standing, job_id), [job_id], [service])
        except DayMissing:
            return Recorded(Verdict.UNKNOWN)
        found = verdict(rows[0] if rows else None, b"")
        return None if found.verdict is Verdict.FENCED else found
