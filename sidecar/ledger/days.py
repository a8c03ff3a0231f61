"""The day of a job, which is the partition that its rows are in.

What finds rows by their whole keys names the partitions of one day itself, as ``{day}`` in its text, so that it is
planned for one small table each and its plan can be kept. The plan of a partitioned table cannot: made for any
arguments it would look into all days, and where Postgres 18 leaves days out as such a plan begins to run, a row lock
that has to be taken anew brought it down.

Such statements write ``CASE WHEN state = 'open' THEN true END`` for ``state = 'open'``. There is one row of a key, but
nobody knows how many are open, and the partial indexes of those must not look cheap.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sidecar.ledger.clock import DatabaseClock
from sidecar.model.errors import LedgerRejected

PARTITION = re.compile(r"[a-z]+_p[0-9]{8}")
"""How partitions are named: by their table and their day."""

_DAY = 86_400_000  # milliseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT = 256  # texts: a few statements for each of the days that are written to


def day_of(job_id: UUID) -> int:
    """Tell the day (UTC) in which a UUIDv7 was made, in days since 1970."""
    return (job_id.int >> 80) // _DAY


class Days:
    """Which days are over, by the database's clock.

    Args:
        clock: The database's.
        retention: Seconds that finished jobs are kept.
    """

    def __init__(self, clock: DatabaseClock, *, retention: float) -> None:
        self._clock = clock
        self._retention = retention

    def over(self, job_id: UUID) -> bool:
        """Tell whether a job's day is over: if it has no partition, it will not get one."""
        return self._age(job_id) > 0

    def forgotten(self, job_id: UUID) -> bool:
        """Tell whether a job is older than finished jobs are kept, so that its rows are removed or about to be."""
        return (self._age(job_id) - 1) * _DAY >= self._retention * 1000

    def _age(self, job_id: UUID) -> int:
        return int(self._clock.now() * 1000) // _DAY - day_of(job_id)


def for_day(query: str, job_id: UUID) -> str:
    """Name the partitions of a job's day in a statement.

    Raises:
        LedgerRejected: There is no such day.
    """
    return _named(query, day_of(job_id))


@lru_cache(maxsize=KEPT)
def _named(query: str, day: int) -> str:
    try:
        date = _EPOCH + timedelta(days=day)
    except OverflowError:
        raise LedgerRejected("an id from beyond the year 9999") from None
    return query.replace("{day}", date.strftime("%Y%m%d"))
