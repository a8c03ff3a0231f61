"""What operators ask of retries: see them, send them again, give them up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from sidecar.ledger.audit import audit_cells
from sidecar.ledger.bounds import Horizon
from sidecar.ledger.clock import DatabaseClock, ceiling_id, floor_id
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.audit import Actor
from sidecar.model.retry import RedriveFilter, RetryAttempt, RetryPage, RetryState, RetryView

FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
DAY = 86_400.0
AHEAD = 3600.0  # seconds: ids made by a replica whose clock offset differs


class Redrive:
    """Lists, redrives and cancels retries, and messages that failed without one."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon, clock: DatabaseClock) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon
        self._clock = clock

    async def retries(self, which: RedriveFilter, *, cursor: str | None = None, limit: int = 100) -> RetryPage:
        """List what matches, newest job first.

        Args:
            which: What to list.
            cursor: Where the last page ended.
            limit: At most so many.

        Raises:
            ValueError: The cursor is none of ours.
        """
        job, _, service = (cursor or "").partition("/")
        before = (UUID(job), service) if cursor else (None, None)
        lo, hi = (FIRST, LAST) if which.job_id is None else (which.job_id, which.job_id)
        rows = await self._pool.fetch(self._queries.retries, lo, hi, *before, limit, *filter_cells(which))
        views = tuple(map(retry_view, rows))
        return RetryPage(views, f"{views[-1].job_id}/{views[-1].service}" if len(views) == limit else None)

    async def retry(self, job_id: UUID, service: str) -> RetryView | None:
        """Read one; None when there is none. ``service`` is '' for an aggregate."""
        page = await self.retries(RedriveFilter(job_id=job_id, service=service), limit=1)
        return page.rows[0] if page.rows else None

    async def redrive(
        self, which: RedriveFilter, *, by: Actor, retention: float, new_id: bool = False, limit: int = 500
    ) -> int:
        """Send again, at once: a new sequence with the history kept.

        That is what failed, and what waits for its next attempt, in whose place this one comes. Left out is what is
        being sent, whose body is gone, or whose job is in the last day of its retention.

        Args:
            which: What to redrive.
            by: Whom the audit names; its row is written with the change.
            retention: Seconds that jobs are kept.
            new_id: Give the messages another id, so that the receiver does not take them for repetitions.
            limit: At most so many; repeat while it does as many.

        Returns:
            How many.
        """
        now = self._clock.now()
        bounds = floor_id(now - retention + DAY), ceiling_id(now + AHEAD)
        cells = (*filter_cells(which), *audit_cells(by, which, new_id=new_id))
        done = len(await self._pool.fetch(self._queries.redrive_retries, *bounds, limit, new_id, *cells))
        if done < limit:
            left = limit - done
            done += len(await self._pool.fetch(self._queries.redrive_deliveries, *bounds, left, new_id, *cells))
        if done:
            self._horizon.look_again()
        return done

    async def cancel(self, which: RedriveFilter, *, by: Actor, limit: int = 500) -> int:
        """Give up what is pending, sent for the first time or again; tell how many.

        An attempt that is under way ends as it may, and nothing follows it. At most ``limit``; repeat while it does as
        many. The audit names ``by``.
        """
        cells = (*filter_cells(which), *audit_cells(by, which))
        done = len(await self._pool.fetch(self._queries.cancel_retries, FIRST, LAST, limit, *cells))
        if done < limit:
            done += len(await self._pool.fetch(self._queries.cancel_deliveries, FIRST, LAST, limit - done, *cells))
        return done


def filter_cells(which: RedriveFilter) -> tuple[object, ...]:
    """Turn a filter into the parameters that the statements share."""
    return (
        which.job_id,
        which.service,
        which.correlation_id,
        which.route,
        which.endpoint,
        which.reason,
        which.state,
        which.since,
        which.until,
    )


def retry_view(row: Mapping[str, Any]) -> RetryView:
    """Build a view from a row of the view ``OasWebhookRetry``."""
    fields = dict(row)
    fields["job_id"] = UUID(int=row["job_id"].int)
    fields["state"] = RetryState(row["state"])
    fields["history"] = tuple(map(retry_attempt, orjson.loads(row["history"])))
    return RetryView(**fields)


def retry_attempt(entry: Mapping[str, Any]) -> RetryAttempt:
    """Build an attempt from its JSON."""
    at = datetime.fromisoformat(entry["at"])
    return RetryAttempt(at, entry["status"], entry["reason"], entry["seconds"])
