"""Where scans begin and end: the partitions with open rows, and the part of an index that still has due ones."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sidecar.ledger.clock import DatabaseClock, ceiling_id
from sidecar.ledger.pool import LinkPool

REFRESH = 30.0  # seconds between looks at everything
AHEAD = 3600.0  # seconds: ids made by a replica whose clock offset differs
SLACK = timedelta(seconds=15)  # longer than a statement can take to commit
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Horizon:
    """The range of job ids that open work can have, so that a scan touches no partition of finished days.

    ``since`` is the query that tells the least one, and the greatest one where that is beyond the usual end: ids that
    were made while the database's clock was ahead.
    """

    def __init__(self, pool: LinkPool, since: str, clock: DatabaseClock) -> None:
        self._pool = pool
        self._query = since
        self._clock = clock
        self._since = UUID(int=0)
        self._beyond = UUID(int=0)
        self._refresh_at = 0.0

    async def bounds(self) -> tuple[UUID, UUID]:
        """Tell the least and greatest job id to look at."""
        now = asyncio.get_running_loop().time()
        end = ceiling_id(self._clock.now() + AHEAD)
        if now >= self._refresh_at:
            rows = await self._pool.fetch(self._query, end)
            self._since = rows[0]["job_id"]
            self._beyond = rows[0]["beyond"] or UUID(int=0)
            self._refresh_at = now + REFRESH
        return self._since, max(end, self._beyond)

    def look_again(self) -> None:
        """Ask anew at the next use: older work was opened."""
        self._refresh_at = 0.0


@dataclass(slots=True)
class LowWater:
    """How far a due scan got, by name: what was due before that was claimed.

    Under a long snapshot the index keeps the entries of claimed rows, and a scan from the beginning would walk over
    them again and again. Rows that are left behind all the same (another's claim was rolled back) are found when
    everything is looked at anew.
    """

    _marks: dict[str, datetime] = field(default_factory=dict)
    _forget_at: float = 0.0

    def low(self, names: Iterable[str], *, now: float) -> list[datetime]:
        """Tell where to begin for each name; ``now`` is the loop's time."""
        if now >= self._forget_at:
            self._marks.clear()
            self._forget_at = now + REFRESH
        return [self._marks.get(name, BEGINNING) for name in names]

    def claimed(self, name: str, due: datetime) -> None:
        """Note that a row that was due at ``due`` was claimed, and with it all earlier ones."""
        self._marks[name] = max(self._marks.get(name, BEGINNING), due - SLACK)
