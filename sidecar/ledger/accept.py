"""Storing new jobs."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from uuid import UUID

from sidecar.ledger.group_commit import AGAIN, Again
from sidecar.ledger.link import Link
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation
from sidecar.model.job import KeyTaken, NewJob, Stored
from sidecar.model.route import ServiceCall

CALL_OVERHEAD = 512  # bytes that a call brings, about


class AcceptKind:
    """Jobs, with their requests, their invocations and their idempotency keys."""

    name = "accept"
    patient = False

    def __init__(self, queries: Queries, ownership: Ownership) -> None:
        self._queries = queries
        self._ownership = ownership

    def unique(self, job: NewJob, /) -> Hashable:
        """Let a second request with the same key wait for the next batch: it has to see the first one."""
        return None if job.idempotency is None else (job.idempotency.scope, job.idempotency.key)

    def order(self, job: NewJob, /) -> int:
        """Sort by job."""
        return job.job_id.int

    def size(self, job: NewJob, /) -> int:
        """Count body, headers and calls."""
        return len(job.body) + len(job.headers) + CALL_OVERHEAD * len(job.calls)

    async def flush(self, link: Link, jobs: Sequence[NewJob], /) -> Sequence[Stored | KeyTaken | Again | LedgerError]:
        """Store the jobs and hand their owned calls over."""
        worker = self._ownership.living()
        rows = await link.fetch(self._queries.accept, worker, *job_columns(jobs), *call_columns(jobs))
        results: list[Stored | KeyTaken | Again | LedgerError] = [AGAIN] * len(jobs)
        owned: list[Invocation] = []
        for place, created_at, deadline_at in rows:
            results[place - 1] = Stored(created_at, deadline_at)
            owned += owned_calls(jobs[place - 1], worker=worker, deadline_at=deadline_at)
        self._ownership.hand_invocations(owned, worker=worker)
        if len(rows) < len(jobs):
            await self._find_holders(link, jobs, results)
        return results

    async def _find_holders(
        self, link: Link, jobs: Sequence[NewJob], results: list[Stored | KeyTaken | Again | LedgerError]
    ) -> None:
        # A key that is gone by now (its job ended in a refusal, or it expired) goes into the next batch.
        losers = [place for place, result in enumerate(results) if result is AGAIN]
        keys = [(key.scope, key.key) for key in (jobs[place].idempotency for place in losers) if key is not None]
        try:
            rows = await link.fetch(self._queries.keys, *zip(*keys, strict=True))
        except LedgerError as error:
            for place in losers:
                results[place] = error
            return
        for row_place, job_id, fingerprint in rows:
            results[losers[row_place - 1]] = KeyTaken(UUID(int=job_id.int), fingerprint)


def owned_calls(job: NewJob, *, worker: int, deadline_at: datetime) -> list[Invocation]:
    """Build the invocations that this process starts, without reading anything back."""
    return [
        Invocation(
            job_id=job.job_id,
            worker=worker,
            claim=1,
            call=call,
            attempts=0,
            unsure=False,
            method=job.method,
            headers=job.headers,
            body=job.body,
            callback_url=job.callback_url,
            correlation_id=job.correlation_id,
            route=job.route,
            traceparent=job.traceparent,
            deadline_at=deadline_at,
            stored=job.stored,
        )
        for call, owned in zip(job.calls, job.owned, strict=True)
        if owned
    ]


def job_columns(jobs: Sequence[NewJob]) -> Sequence[Sequence[object]]:
    """Turn jobs into the columns that the statement unnests."""
    return tuple(
        zip(
            *(
                (
                    job.job_id,
                    job.correlation_id,
                    job.application,
                    job.route,
                    job.method,
                    job.callback_url,
                    job.endpoint,
                    job.gather,
                    job.deadline,
                    job.headers if job.kept_headers is None else job.kept_headers,
                    job.body,
                    job.traceparent,
                    job.links_base,
                    len(job.calls),
                    *(
                        (None, None, None, None)
                        if (key := job.idempotency) is None
                        else (key.scope, key.key, key.fingerprint, key.ttl)
                    ),
                    job.stored,
                    job.upload_url,
                )
                for job in jobs
            ),
            strict=True,
        )
    )


def call_columns(jobs: Sequence[NewJob]) -> Sequence[Sequence[object]]:
    """Turn the calls of jobs into the columns that the statement unnests; the first is the job's place."""
    rows = [
        call_row(place, call, owned)
        for place, job in enumerate(jobs, 1)
        for call, owned in zip(job.calls, job.owned, strict=True)
    ]
    return tuple(zip(*rows, strict=True)) or ((), (), (), (), ())


def call_row(place: int, call: ServiceCall, owned: bool) -> tuple[object, ...]:  # noqa: FBT001 - one cell of a row
    """Build one row of :func:`call_columns`."""
    return (place, call.service, call.service_key, call.dump(), owned)
