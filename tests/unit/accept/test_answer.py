from typing import Any

import orjson
import pytest

from sidecar.accept.answer import (
    Answer,
    ServiceAnswer,
    accepted_answer,
    overall_status,
    refused_answer,
    replayed_answer,
)
from tests.unit.builders import JOB, NOW, make_job_view, make_refusal, make_service_view


def answer(**over: Any) -> Answer:
    usual: dict[str, Any] = {
        "job_id": JOB,
        "correlation_id": "c-1",
        "services": [ServiceAnswer("billing", "invoked", 202), ServiceAnswer("stock", "accepted")],
        "created_at": NOW,
        "deadline_at": NOW,
        "links_base": "https://gw.example/orders/1.0",
        "applied": None,
    }
    return accepted_answer(**{**usual, **over})


@pytest.mark.parametrize(
    ("states", "overall"),
    [
        (["invoked"], "invoked"),
        (["invoked", "invoked"], "invoked"),
        (["invoked", "refused"], "partially_invoked"),
        (["refused"], "partially_invoked"),
        (["accepted"], "accepted"),
        (["invoked", "accepted"], "accepted"),
        (["refused", "accepted", "invoked"], "accepted"),
    ],
)
def test_an_open_service_leaves_the_job_accepted(states: list[str], overall: str) -> None:
    assert overall_status([ServiceAnswer(str(number), state) for number, state in enumerate(states)]) == overall


def test_the_202_names_the_job_and_where_to_ask_for_it() -> None:
    given = answer()
    self = f"https://gw.example/orders/1.0/_jobs/{JOB}"
    assert given.status == 202
    assert given.headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-job-id": str(JOB),
        "x-correlation-id": "c-1",
        "location": self,
    }
    assert orjson.loads(given.body) == {
        "job_id": str(JOB),
        "correlation_id": "c-1",
        "status": "accepted",
        "created_at": "2026-01-02T03:04:05Z",
        "deadline_at": "2026-01-02T03:04:05Z",
        "services": [
            {"service": "billing", "status": "invoked", "status_code": 202},
            {"service": "stock", "status": "accepted"},
        ],
        "links": {"self": self, "results": self + "/results/{service}"},
    }


def test_what_was_preferred_and_what_is_a_replay_is_told() -> None:
    headers = answer(applied="respond-async", replayed=True).headers
    assert (headers["preference-applied"], headers["idempotency-replayed"]) == ("respond-async", "true")


def test_the_502_tells_each_refusal_and_no_job() -> None:
    given = refused_answer("c-1", [make_refusal("billing"), make_refusal("stock", status_code=None)])
    document = orjson.loads(given.body)
    assert given.status == 502
    assert given.headers == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "x-correlation-id": "c-1",
    }
    assert (document["code"], document["correlation_id"]) == ("all_services_refused", "c-1")
    assert document["services"] == [
        {"service": "billing", "reason": "refused", "status_code": 409},
        {"service": "stock", "reason": "refused", "status_code": None},
    ]
    assert str(JOB) not in given.body.decode()


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("invoking", None, "accepted"),
        ("invoked", None, "invoked"),
        ("succeeded", None, "invoked"),
        ("cancelled", None, "invoked"),
        ("failed", "service_failed", "invoked"),
        ("failed", "response_too_large", "invoked"),
        ("failed", "refused", "refused"),
        ("failed", "unreachable", "refused"),
        ("failed", "busy", "refused"),
        ("failed", "deadline_exceeded", "accepted"),
        ("failed", "not_invoked", "accepted"),
        ("failed", "crashed_workers", "accepted"),
        ("failed", None, "accepted"),
    ],
)
def test_a_replay_tells_what_became_of_each_service_since(status: str, reason: str | None, told: str) -> None:
    view = make_job_view(services=(make_service_view(status=status, reason=reason),))
    given = replayed_answer(view, applied=None)
    (service,) = orjson.loads(given.body)["services"]
    assert service["status"] == told
    assert (given.status, given.headers["idempotency-replayed"]) == (202, "true")
    assert given.headers["location"] == f"{view.links_base}/_jobs/{JOB}"
