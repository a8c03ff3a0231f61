"""Looking around in the ledger, for operators. Every statement is bounded in what it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.clock import DatabaseClock, ceiling_id, floor_id
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.redrive import retry_attempt
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.overview import Minute, Overview, WorkerView
from sidecar.model.seen_endpoints import EndpointView
from sidecar.model.seen_jobs import (
    JobFacts,
    JobFilter,
    JobProgress,
    JobSummary,
    MessageFacts,
    ServiceFacts,
    callback_host,
)

LOOK = 5_000  # jobs that one page looks at
CAP = 10_000  # rows that a count goes up to
MINUTES = 60
AHEAD = 3600.0  # seconds: ids made by a replica whose clock offset differs
OF_JOBS = frozenset({"callback_url", "state", "progress", "looked", "last"})


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first; ``last`` is where the look ended if there may be more."""

    jobs: tuple[JobSummary, ...]
    last: UUID | None


class Browse:
    """Reads jobs, endpoints and what all workers do."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon, clock: DatabaseClock) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon
        self._clock = clock

    async def jobs(self, which: JobFilter, *, since: float, before: UUID | None, limit: int) -> JobPage:
        """List what matches, newest first.

        Args:
            which: What to list.
            since: Seconds since 1970: no older jobs are looked at.
            before: Where the last page ended.
            limit: At most so many.
        """
        until = self._clock.now() + AHEAD if which.until is None else which.until.timestamp()
        hi = (ceiling_id(until) if which.until is None else UUID(int=max(floor_id(until).int - 1, 0))).int
        if before is not None:
            hi = min(hi, before.int - 1)
        lo = floor_id(since)
        if hi < lo.int:
            return JobPage((), None)
        cells = (which.correlation_id, LOOK, which.route, which.application, which.state, limit)
        rows = await self._pool.fetch(self._queries.jobs, lo, UUID(int=hi), *cells)
        found = tuple(job_summary(row, state=row["progress"]) for row in rows if row["job_id"] is not None)
        if len(found) == limit:
            return JobPage(found, found[-1].job_id)
        return JobPage(found, rows[0]["last"] if rows[0]["looked"] == LOOK else None)

    async def facts(self, job_id: UUID) -> JobFacts | None:
        """Read one job with its calls and messages; None when there is none."""
        cells = (job_id, job_id, None, 1, None, None, None, 1)
        summaries = await self._pool.fetch(self._queries.jobs, *cells)
        jobs = await self._pool.fetch(self._queries.story_job, job_id)
        if not jobs or summaries[0]["job_id"] is None:
            return None
        services = await self._pool.fetch(self._queries.story_services, job_id)
        messages = await self._pool.fetch(self._queries.story_deliveries, job_id)
        return JobFacts(
            summary=job_summary(summaries[0], state=summaries[0]["progress"]),
            callback_url=jobs[0]["callback_url"],
            traceparent=jobs[0]["traceparent"],
            services=tuple(map(service_facts, services)),
            messages=tuple(map(message_facts, messages)),
        )

    async def endpoints(self, *, after: str, limit: int) -> list[EndpointView]:
        """Tell the endpoints of which something is known, by name."""
        bounds = await self._horizon.bounds()
        names = await self._pool.fetch(self._queries.endpoint_names, *bounds, after, limit)
        return await self.endpoint_states([row["name"] for row in names])

    async def endpoint_states(self, names: Sequence[str]) -> list[EndpointView]:
        """Tell what is known of these endpoints, by name; of one that is unknown, that nothing waits there."""
        bounds = await self._horizon.bounds()
        rows = await self._pool.fetch(self._queries.endpoint_states, *bounds, names, CAP)
        return [endpoint_view(row) for row in rows]

    async def overview(self) -> Overview:
        """Count what is under way and waits, and read the last hour."""
        bounds = await self._horizon.bounds()
        counts = await self._pool.fetch(self._queries.backlog, *bounds, CAP)
        workers = await self._pool.fetch(self._queries.workers_alive)
        minutes = await self._pool.fetch(self._queries.pulse, MINUTES)
        return Overview(
            **counts[0],
            workers=tuple(WorkerView(**row) for row in workers),
            minutes=tuple(Minute(**row) for row in minutes),
        )


def job_summary(row: Mapping[str, Any], *, state: str) -> JobSummary:
    """Build the summary of a job."""
    fields = {name: row[name] for name in JobSummary.__slots__ if name not in {"state", "callback_host", "job_id"}}
    return JobSummary(
        **fields,
        job_id=UUID(int=row["job_id"].int),
        state=JobProgress(state),
        callback_host=callback_host(row["callback_url"]),
    )


def service_facts(row: Mapping[str, Any]) -> ServiceFacts:
    """Build the facts of a call."""
    fields = dict(row)
    fields["under_way"] = fields.pop("worker") is not None
    fields["receiving"] = bool(row["receiving"])
    fields["history"] = tuple(map(retry_attempt, orjson.loads(row["history"])))
    return ServiceFacts(**fields)


def message_facts(row: Mapping[str, Any]) -> MessageFacts:
    """Build the facts of a message."""
    fields = dict(row)
    del fields["worker"]
    return MessageFacts(**fields)


def endpoint_view(row: Mapping[str, Any]) -> EndpointView:
    """Build the view of an endpoint: a hold comes before the circuit, and a pause that is over is none."""
    circuit = "closed" if row["pause_over"] else row["circuit"]
    shut = circuit != "closed"
    held = row["held"]
    return EndpointView(
        endpoint=row["endpoint"],
        name=None,
        state="held" if held else circuit,
        reason=row["held_reason"] if held else row["reason"] if shut else None,
        openings=row["openings"],
        opened_at=row["opened_at"] if shut else None,
        open_until=row["open_until"] if shut else None,
        probing=row["probing"],
        held_at=row["held_at"] if held else None,
        held_by=row["held_by"] if held else None,
        held_until=row["held_until"] if held else None,
        waiting=row["waiting"],
        retrying=row["retrying"],
        oldest_due=row["oldest_due"],
    )
