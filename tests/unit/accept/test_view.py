from collections.abc import Sequence
from uuid import UUID

import orjson
import pytest

from sidecar.accept.answer import Answer
from sidecar.accept.view import job_status, render_job, render_result
from sidecar.model.delivery import Part
from sidecar.model.errors import ProblemError
from sidecar.model.job import JobView
from sidecar.model.outcome import MessageKind, ResultStatus
from tests.unit.builders import JOB, NOW, make_delivery_view, make_job_view, make_service_view


class Jobs:
    def __init__(self, view: JobView | None, *parts: Part) -> None:
        self._view = view
        self._parts = parts

    async def job(self, job_id: UUID) -> JobView | None:
        return self._view if job_id == JOB else None

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        return self._parts if job_id == JOB else ()


def make_part(
    *, outcome: str | None = "result", kind: MessageKind | None = MessageKind.DIRECT, gone: bool = False
) -> Part:
    headers = b"Content-Type: text/csv\r\ncontent-encoding: gzip"
    return Part("billing", outcome, ResultStatus.SUCCEEDED, kind, None, headers, b"\x1f\x8b", NOW, gone=gone)


@pytest.mark.parametrize(
    ("state", "services", "deliveries", "status"),
    [
        ("open", ["invoking"], [], "running"),
        ("open", ["invoked"], [], "running"),
        ("open", ["succeeded", "invoked"], ["delivered"], "running"),
        ("open", ["succeeded"], ["open"], "running"),
        ("open", ["succeeded", "failed"], ["delivered", "open"], "running"),
        ("open", ["succeeded", "failed"], ["delivered", "retrying"], "running"),
        ("open", ["succeeded"], ["delivered"], "done"),
        ("open", ["succeeded"], [], "done"),  # completion: none has no message
        ("open", ["failed"], ["failed"], "done"),
        ("open", ["succeeded", "cancelled"], ["delivered", "cancelled"], "done"),
        ("failed", ["failed"], [], "failed"),
        ("cancelled", ["cancelled"], [], "cancelled"),
        ("cancelled", ["cancelled"], ["open"], "cancelled"),
    ],
)
def test_a_job_runs_until_every_invocation_and_message_has_ended(
    state: str, services: list[str], deliveries: list[str], status: str
) -> None:
    view = make_job_view(
        state=state,
        services=tuple(make_service_view(status=each) for each in services),
        deliveries=tuple(make_delivery_view(state=each) for each in deliveries),
    )
    assert job_status(view) == status


async def test_the_state_of_a_job_is_shown_to_its_owner() -> None:
    view = make_job_view(deliveries=(make_delivery_view(),))
    answer = await render_job(Jobs(view), JOB, "shop", "c-9")
    document = orjson.loads(answer.body)
    assert answer.status == 200
    assert (answer.headers["x-correlation-id"], answer.headers["cache-control"]) == ("c-9", "no-store")
    assert (document["correlation_id"], document["status"]) == ("c-1", "running")
    assert document["services"][0]["service"] == "billing"
    assert document["deliveries"][0]["message_id"] == f"{JOB}:billing:succeeded"
    assert document["links"] == {"self": f"{view.links_base}/_jobs/{JOB}"}
    assert "callback" not in document


@pytest.mark.parametrize(
    ("jobs", "application"), [(Jobs(None), "shop"), (Jobs(make_job_view()), "other"), (Jobs(make_job_view()), "")]
)
async def test_an_unknown_job_and_another_ones_are_told_alike(jobs: Jobs, application: str) -> None:
    told = []
    for asked in (
        render_job(jobs, JOB, application, "c-9"),
        render_result(jobs, JOB, "billing", application, "c-9"),
    ):
        with pytest.raises(ProblemError) as caught:
            await asked
        told.append(caught.value.problem)
    assert {(problem.status, problem.code) for problem in told} == {(404, "job_unknown")}


async def result(*parts: Part, service: str = "billing") -> Answer:
    answer = await render_result(Jobs(make_job_view(), *parts), JOB, service, "shop", "c-9")
    assert isinstance(answer, Answer)
    return answer


async def test_a_result_is_given_byte_for_byte() -> None:
    answer = await result(make_part())
    assert (answer.status, answer.body) == (200, b"\x1f\x8b")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["x-result-status"] == "succeeded"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("parts", "service", "status", "code"),
    [
        ((), "billing", 409, "result_not_ready"),
        ((make_part(outcome=None),), "billing", 409, "result_not_ready"),
        ((make_part(kind=None),), "billing", 410, "result_gone"),
        ((make_part(gone=True),), "billing", 410, "result_gone"),
        ((make_part(),), "unknown", 404, "not_found"),
    ],
)
async def test_what_is_not_there_is_told_why(parts: tuple[Part, ...], service: str, status: int, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        await result(*parts, service=service)
    assert (caught.value.problem.status, caught.value.problem.code) == (status, code)
