"""What a caller may ask about a job that it sent: its state, and its results."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol
from uuid import UUID

import orjson

from sidecar.accept.answer import Answer
from sidecar.model.delivery import DeliveryState, Part
from sidecar.model.errors import ProblemError
from sidecar.model.headers import decode_block
from sidecar.model.job import JobView
from sidecar.model.problems import Problem
from sidecar.model.stored import StoredObject

UNKNOWN = Problem(404, "job_unknown", "There is no such job, or it is not yours.")

_UNFINISHED = frozenset({"invoking", "invoked"})
_UNSENT = frozenset({DeliveryState.OPEN, DeliveryState.RETRYING})


class Jobs(Protocol):
    """What can be asked of the ledger about a job."""

    async def job(self, job_id: UUID) -> JobView | None:
        """Return the state of a job."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return the outcomes of a job with their bodies."""


@dataclass(frozen=True, slots=True)
class Download:
    """A result that lies in the object store, and the headers that belong to it."""

    stored: StoredObject
    headers: dict[str, str]


async def render_job(jobs: Jobs, job_id: UUID, application: str, correlation_id: str) -> Answer:
    """Answer ``GET /_jobs/{id}``: states per service and message, never bodies.

    Raises:
        ProblemError: 404, alike for an unknown job and another application's.
    """
    view = await _owned(jobs, job_id, application)
    body = orjson.dumps(
        {
            "job_id": str(view.job_id),
            "correlation_id": view.correlation_id,
            "route": view.route,
            "status": job_status(view),
            "created_at": view.created_at,
            "deadline_at": view.deadline_at,
            "services": [asdict(service) for service in view.services],
            "deliveries": [asdict(delivery) for delivery in view.deliveries],
            "links": {"self": f"{view.links_base}/_jobs/{view.job_id}"},
        },
        option=orjson.OPT_UTC_Z,
    )
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-job-id": str(view.job_id),
        "x-correlation-id": correlation_id,
    }
    return Answer(200, headers, body)


async def render_result(
    jobs: Jobs, job_id: UUID, service: str, application: str, correlation_id: str
) -> Answer | Download:
    """Answer ``GET /_jobs/{id}/results/{service}`` with the service's body, byte for byte, or tell where it lies.

    Raises:
        ProblemError: 404 for an unknown job or service, 409 while there is no result, 410 when it is gone.
    """
    view = await _owned(jobs, job_id, application)
    known = {entry.service: entry for entry in view.services}
    if service not in known:
        raise ProblemError(Problem(404, "not_found", "The job has no such service."))
    parts = {part.service: part for part in await jobs.parts(job_id)}
    part = parts.get(service)
    if part is None or part.outcome is None:
        detail = "The service has not answered yet; ask again later, or wait for the webhook."
        raise ProblemError(Problem(409, "result_not_ready", detail, {"retry-after": "5"}))
    if part.kind is None or part.gone:
        raise ProblemError(Problem(410, "result_gone", "The service ended without a body, or it is no longer kept."))
    headers = {name.lower(): value for name, value in decode_block(part.headers)}
    headers |= {"cache-control": "no-store", "x-correlation-id": correlation_id, "x-result-status": part.status}
    headers |= {"x-job-id": str(job_id), "x-service": service, "x-content-type-options": "nosniff"}
    if part.stored is not None and not part.body:
        return Download(StoredObject.load(part.stored), headers)
    return Answer(200, headers, part.body)


def job_status(view: JobView) -> str:
    """Sum a job up: ``running`` until every invocation and every message has ended, then ``done``.

    ``failed`` is a job that every service refused at once, of which the webhook never hears; ``cancelled`` one that
    was ended by hand. A job is done also when results say failed: see its services and deliveries for that.
    """
    if view.state in {"failed", "cancelled"}:
        return view.state
    waiting = any(service.status in _UNFINISHED for service in view.services)
    sending = any(delivery.state in _UNSENT for delivery in view.deliveries)
    return "running" if waiting or sending else "done"


async def _owned(jobs: Jobs, job_id: UUID, application: str) -> JobView:
    view = await jobs.job(job_id)
    if view is None or view.application != application:
        raise ProblemError(UNKNOWN)
    return view
