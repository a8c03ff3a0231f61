"""What a caller is answered: pure rendering."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from sidecar.kit.value_class import value_class
from sidecar.model.job import JobView, ServiceView
from sidecar.model.outcome import Outcome
from sidecar.model.problems import CONTENT_TYPE, Problem
from sidecar.model.reasons import InvocationReason


@value_class
class ServiceAnswer:
    """What is known of one service when the caller is answered."""

    service: str
    status: str  # invoked | refused | accepted
    status_code: int | None = None


@value_class
class Answer:
    """An answer that is ready to be written."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def overall_status(services: Sequence[ServiceAnswer]) -> str:
    """Sum up: ``accepted`` while any is open, ``invoked`` when all took it, else ``partially_invoked``."""
    states = {service.status for service in services}
    if "accepted" in states:
        return "accepted"
    return "invoked" if states == {"invoked"} else "partially_invoked"


def accepted_answer(
    *,
    job_id: UUID,
    correlation_id: str,
    services: Sequence[ServiceAnswer],
    created_at: datetime,
    deadline_at: datetime,
    links_base: str,
    applied: str | None,
    replayed: bool = False,
) -> Answer:
    """Render the 202; it names the job, so that "a 202 without x-job-id is not an acceptance"."""
    job = str(job_id)
    own = f"{links_base}/_jobs/{job}"
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-job-id": job,
        "x-correlation-id": correlation_id,
        "location": own,
    }
    if applied:
        headers["preference-applied"] = applied
    if replayed:
        headers["idempotency-replayed"] = "true"
    body = orjson.dumps(
        {
            "job_id": job,
            "correlation_id": correlation_id,
            "status": overall_status(services),
            "created_at": created_at,
            "deadline_at": deadline_at,
            "services": [_service(service) for service in services],
            "links": {"self": own, "results": f"{own}/results/{{service}}"},
        },
        option=orjson.OPT_UTC_Z,
    )
    return Answer(202, headers, body)


def _service(service: ServiceAnswer) -> dict[str, Any]:
    entry: dict[str, Any] = {"service": service.service, "status": service.status}
    if service.status_code is not None:
        entry["status_code"] = service.status_code
    return entry


def refused_answer(correlation_id: str, refusals: Sequence[Outcome]) -> Answer:
    """Render the 502: no service took the request, so that it can be sent again as if it had never come."""
    services = [
        {"service": refusal.service, "reason": refusal.reason, "status_code": refusal.status_code}
        for refusal in refusals
    ]
    detail = "No service took the request; nothing will be sent to the callback-url. It can be repeated."
    problem = Problem(502, "all_services_refused", detail, extra={"services": services})
    headers = {
        "content-type": CONTENT_TYPE,
        "cache-control": "no-store",
        "x-correlation-id": correlation_id,
    }
    return Answer(502, headers, problem.body(correlation_id))


def replayed_answer(view: JobView, *, applied: str | None) -> Answer:
    """Render the answer to a repeated request from what the ledger knows now; no answer is ever stored."""
    services = [ServiceAnswer(service.service, _as_answered(service), service.status_code) for service in view.services]
    return accepted_answer(
        job_id=view.job_id,
        correlation_id=view.correlation_id,
        services=services,
        created_at=view.created_at,
        deadline_at=view.deadline_at,
        links_base=view.links_base,
        applied=applied,
        replayed=True,
    )


_REFUSALS = frozenset({InvocationReason.REFUSED, InvocationReason.UNREACHABLE, InvocationReason.BUSY})
_TAKEN = frozenset({InvocationReason.SERVICE_FAILED, InvocationReason.RESPONSE_TOO_LARGE})


def _as_answered(service: ServiceView) -> str:
    """Tell of a service in the words of a first answer: did it take the call? A failed result is an answer too."""
    if service.status == "invoking":
        return "accepted"
    if service.status != "failed" or service.reason in _TAKEN:
        return "invoked"
    return "refused" if service.reason in _REFUSALS else "accepted"
