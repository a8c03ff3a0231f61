"""Storing new jobs."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sidecar.ledger.batch import as_json
from sidecar.ledger.days import day_of, for_day
from sidecar.ledger.group_commit import AGAIN, Again
from sidecar.ledger.link import Link
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.packing import Packing
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation
from sidecar.model.job import KeyTaken, NewJob, Stored

CALL_OVERHEAD = 512  # bytes that a call brings, about


class AcceptKind:
    """Jobs, with their requests, their invocations and their idempotency keys."""

    name = "accept"
    patient = False
    yields = False

    def __init__(self, queries: Queries, ownership: Ownership) -> None:
        self._queries = queries
        self._ownership = ownership
        self._packing = Packing()

    def unique(self, job: NewJob, /) -> Hashable:
        """Let a second request with the same key wait for the next batch: it has to see the first one."""
        return None if job.idempotency is None else (job.idempotency.scope, job.idempotency.key)

    def day(self, job: NewJob, /) -> int:
        """Tell the job's day."""
        return day_of(job.job_id)

    def order(self, job: NewJob, /) -> int:
        """Sort by job."""
        return job.job_id.int

    def size(self, job: NewJob, /) -> int:
        """Count body, headers and calls."""
        return len(job.body) + len(job.headers) + CALL_OVERHEAD * len(job.calls)

    async def flush(self, link: Link, jobs: Sequence[NewJob], /) -> Sequence[Stored | KeyTaken | Again | LedgerError]:
        """Store the jobs and hand their owned calls over."""
        worker = self._ownership.living()
        headers = [job.headers if job.kept_headers is None else job.kept_headers for job in jobs]
        bodies, packed = zip(*(self._packing.pack(job.body) for job in jobs), strict=True)
        cells = as_json(list(map(job_row, jobs, packed)))
        rows = await link.fetch(for_day(self._queries.accept, jobs[0].job_id), worker, cells, headers, bodies)
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


def job_row(job: NewJob, packed: bool) -> Mapping[str, object]:  # noqa: FBT001 - mapped over
    """Tell the plain cells of a job."""
    row = {
        "job_id": job.job_id,
        "correlation_id": job.correlation_id,
        "application": job.application,
        "route": job.route,
        "method": job.method,
        "callback_url": job.callback_url,
        "endpoint": job.endpoint,
        "gather": job.gather,
        "deadline": job.deadline,
        "traceparent": job.traceparent,
        "links_base": job.links_base,
        "upload_url": job.upload_url,
        "services": len(job.calls),
        "calls": [
            {"service": call.service, "service_key": call.service_key, "call": call.told(), "owned": owned}
            for call, owned in zip(job.calls, job.owned, strict=True)
        ],
    }
    if job.stored is not None:
        row["stored"] = job.stored.decode()
    if (key := job.idempotency) is not None:
        row |= {"scope": key.scope, "key": key.key, "digest": key.fingerprint.hex(), "ttl": key.ttl}
    if packed:
        row["packed"] = True
    return row
