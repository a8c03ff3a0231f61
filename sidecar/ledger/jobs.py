"""Reading jobs back: for their owner, and for aggregates."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sidecar.ledger.packing import unpack
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.delivery import Part, message_id
from sidecar.model.job import DeliveryView, JobView, ServiceView
from sidecar.model.outcome import MessageKind, OutcomeKind, ResultStatus
from sidecar.model.route import ServiceCall


class JobReader:
    """Reads what is known of one job."""

    def __init__(self, pool: LinkPool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def view(self, job_id: UUID) -> JobView | None:
        """Read a job as its owner may see it; None when there is none."""
        jobs = await self._pool.fetch(self._queries.job, job_id)
        if not jobs:
            return None
        services = await self._pool.fetch(self._queries.job_services, job_id)
        deliveries = await self._pool.fetch(self._queries.job_deliveries, job_id)
        job = jobs[0]
        return JobView(
            job_id=job_id,
            correlation_id=job["correlation_id"],
            application=job["application"],
            route=job["route"],
            endpoint=job["endpoint"],
            state=job["state"],
            links_base=job["links_base"],
            created_at=job["created_at"],
            deadline_at=job["deadline_at"],
            services=tuple(map(service_view, services)),
            deliveries=tuple(delivery_view(job_id, row) for row in deliveries),
        )

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        """Read what the job keeps of its route for one service; None when there is no such invocation."""
        rows = await self._pool.fetch(self._queries.service_call, job_id, service)
        return ServiceCall.load(rows[0]["call"]) if rows else None

    async def parts(self, job_id: UUID) -> list[Part]:
        """Read the parts of an aggregate, by service name."""
        return [
            Part(
                service=row["service"],
                outcome=row["outcome"],
                status=ResultStatus(row["status"]),
                kind=None if row["kind"] is None else MessageKind(row["kind"]),
                reason=row["last_reason"],
                headers=row["headers"],
                body=unpack(row["body"], row["packed"]),
                finished_at=row["finished_at"],
                stored=row["object"],
                copy=row["copy"],
                gone=row["gone"],
            )
            for row in await self._pool.fetch(self._queries.parts, job_id)
        ]


def service_view(row: Mapping[str, Any]) -> ServiceView:
    """Build the view of an invocation."""
    return ServiceView(
        service=row["service"],
        completion=ServiceCall.load(row["call"]).completion,
        status=service_status(row["outcome"], row["status"], acknowledged=row["acknowledged"]),
        status_code=row["last_status"],
        reason=row["last_reason"],
        attempts=row["attempts"],
        finished_at=row["finished_at"],
    )


def service_status(outcome: str | None, status: str | None, *, acknowledged: bool) -> str:
    """Name the state of an invocation: invoking, invoked, succeeded, failed or cancelled."""
    if outcome is None:
        return "invoked" if acknowledged else "invoking"
    if outcome == OutcomeKind.CANCELLED:
        return "cancelled"
    return "succeeded" if status == ResultStatus.SUCCEEDED else "failed"


def delivery_view(job_id: UUID, row: Mapping[str, Any]) -> DeliveryView:
    """Build the view of a message."""
    return DeliveryView(
        message_id=row["message_id"] or message_id(job_id, row["service"], row["status"]),
        service=row["service"],
        kind=row["kind"],
        status=row["status"],
        state=row["state"],
        attempts=row["attempts"],
        status_code=row["last_status"],
        reason=row["last_reason"],
        finished_at=row["finished_at"],
        next_attempt_at=row["next_attempt_at"],
    )
