"""The admin API over a real socket and a real ledger."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import requests
from openapi_spec_validator import validate

from sidecar.model.audit import AuditFilter
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.retry import RedriveFilter
from sidecar.model.seen_jobs import JobFilter
from sidecar.operate.remote import RemoteError, remote_operator
from tests.integration.ledger.kit import ENDPOINT, make_end
from tests.integration.ledger.retrying import HOUR, delivering, make_failure
from tests.integration.operate.desk import TOKENS, Desk

RECENT = AuditFilter()
CALLBACK = "https://hooks.example/crm/1.0/results?token=hush"


def waiting(desk: Desk, **over: Any) -> str:
    async def make() -> str:
        job, (message,) = await delivering(desk.here, **{"callback_url": CALLBACK, **over})
        await desk.here.ledger.finish(make_failure(message, retry_in=HOUR))
        return str(job.job_id)

    made: str = desk.run(make())
    return made


def failed(desk: Desk, **over: Any) -> str:
    async def make() -> str:
        job, (message,) = await delivering(desk.here, **{"callback_url": CALLBACK, **over})
        await desk.here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
        return str(job.job_id)

    made: str = desk.run(make())
    return made


def get(desk: Desk, path: str, *, name: str = "oncall", status: int = 200, **query: str) -> Any:
    answer = requests.get(f"{desk.url}/api/v1{path}", params=query, headers=desk.headers(name), timeout=60)
    assert answer.status_code == status, answer.text
    assert "hush" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def post(desk: Desk, path: str, body: Any, *, name: str = "oncall", status: int = 200) -> Any:
    answer = requests.post(f"{desk.url}/api/v1{path}", json=body, headers=desk.headers(name), timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_document_is_openapi_3_1(desk: Desk) -> None:
    document = get(desk, "/openapi.json", name="desk")
    assert document["openapi"] == "3.1.0"
    validate(document)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_nobody_looks_without_a_token(desk: Desk, headers: dict[str, str]) -> None:
    for path in ("/jobs", "/openapi.json", "/nonsense"):
        answer = requests.get(f"{desk.url}/api/v1{path}", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"


def test_who_may_only_look_changes_nothing_and_sees_no_paths(desk: Desk) -> None:
    job = waiting(desk)
    which = {"job_id": job}
    for path, body in (
        ("/retries/redrive", {"which": which, "dry_run": False}),
        ("/retries/cancel", {"which": which, "dry_run": False}),
        ("/endpoints/pause", {"endpoint": ENDPOINT, "reason": "r"}),
        ("/endpoints/resume", {"endpoint": ENDPOINT}),
    ):
        assert post(desk, path, body, name="desk", status=403)["code"] == "forbidden"
    assert get(desk, f"/jobs/{job}", name="desk")["callback_url"] is None
    assert get(desk, f"/jobs/{job}", name="desk", status=403, full="true")["code"] == "forbidden"
    assert get(desk, "/audit", name="desk")["records"] == []
    full = get(desk, f"/jobs/{job}", full="true")
    assert full["callback_url"] == "https://hooks.example/crm/1.0/results?(not shown)"
    assert full["retries"][0]["callback_url"] == full["callback_url"]


def test_a_job_is_found_by_what_people_know_of_it_and_told_as_a_story(desk: Desk) -> None:
    job = waiting(desk, correlation_id="order-7")
    failed(desk)
    (found,) = get(desk, "/jobs", correlation_id="order-7", state="retrying", route="/orders/{order_id}")["jobs"]
    assert (found["job_id"], found["callback_host"]) == (job, "hooks.example")
    story = get(desk, f"/jobs/{job}")
    assert [event["what"] for event in story["events"]] == [
        "accepted",
        "outcome_result",
        "message_made",
        "attempt_failed",
        "next_attempt",
    ]
    assert story["events"][3]["reason"] == "status_503"
    assert [one["state"] for one in get(desk, f"/jobs/{job}/deliveries")["deliveries"]] == ["retrying"]
    assert get(desk, f"/jobs/{uuid4()}", status=404)["code"] == "job_unknown"
    assert get(desk, "/jobs/nonsense", status=404)["code"] == "job_unknown"


def test_pages_continue_and_a_wrong_cursor_is_told(desk: Desk) -> None:
    jobs = [failed(desk) for _ in range(3)]
    for path, key in (("/jobs", "jobs"), ("/retries", "retries")):
        first = get(desk, path, limit="2")
        rest = get(desk, path, limit="2", cursor=first["cursor"])
        assert [row["job_id"] for row in first[key] + rest[key]] == sorted(jobs, reverse=True)
        assert rest["cursor"] is None
        assert get(desk, path, cursor="nonsense", status=400)["detail"].startswith("cursor:")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-31T00:00:00Z"}, "since"),
        ({"state": "lost"}, "state"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_query_that_is_not_understood_is_told_by_its_name(desk: Desk, query: dict[str, str], name: str) -> None:
    problem = get(desk, "/jobs", status=400, **query)
    assert problem["code"] == "query_invalid"
    assert problem["detail"].startswith(f"{name}: ")


def test_a_change_only_counts_until_it_is_told_to_act_and_then_repeats_as_answered(desk: Desk) -> None:
    one, other = failed(desk), waiting(desk)
    assert post(desk, "/retries/redrive", {"which": {}}, status=400)["code"] == "body_invalid"
    dry = post(desk, "/retries/redrive", {"which": {"endpoint": "crm"}})
    assert (dry["dry_run"], dry["count"], dry["more"]) == (True, 2, False)
    assert {row["state"]: row["count"] for row in dry["counts"]} == {"failed": 1, "pending": 1}
    done = post(desk, "/retries/redrive", {"which": dry["which"], "dry_run": False, "limit": 1})
    assert (done["count"], done["more"]) == (1, True)
    rest = post(desk, "/retries/redrive", {"which": done["which"], "dry_run": False})
    assert (rest["count"], rest["more"]) == (1, False)
    assert get(desk, "/retries/count", job_id=one)["counts"][0]["state"] == "pending"
    gone = post(desk, "/retries/cancel", {"which": {"job_id": other, "service": "billing"}, "dry_run": False})
    assert gone["count"] == 1
    records = get(desk, "/audit")["records"]
    assert [(row["actor"], row["role"], row["action"]) for row in records] == [
        ("oncall", "operator", "cancel"),
        ("oncall", "operator", "redrive"),
        ("oncall", "operator", "redrive"),
    ]
    assert records[0]["target"] == f"{other}/billing"
    assert [row["action"] for row in get(desk, "/audit", target=other)["records"]] == ["cancel", "redrive"]
    events = get(desk, f"/jobs/{other}")["events"]
    assert [event["text"] for event in events if event["leg"] == "operator"] == [
        "Redriven by oncall.",
        "Cancelled by oncall.",
    ]


def test_a_change_takes_what_has_just_happened_although_the_last_reading_of_the_clock_is_behind(desk: Desk) -> None:
    waiting(desk)
    clock = desk.here.ledger.clock
    assert clock.offset is not None
    clock.offset -= 1.0
    assert post(desk, "/retries/redrive", {"which": {"endpoint": "crm"}})["count"] == 1


def test_an_endpoint_is_held_and_resumed(desk: Desk) -> None:
    waiting(desk)
    held = post(desk, "/endpoints/pause", {"endpoint": "crm", "reason": "their upgrade", "seconds": 600})
    assert (held["endpoint"], held["state"], held["held_by"]) == (ENDPOINT, "held", "oncall")
    (listed,) = get(desk, "/endpoints")["endpoints"]
    assert (listed["name"], listed["retrying"]) == ("crm", 1)
    assert get(desk, "/endpoints", endpoint=ENDPOINT)["endpoints"] == [listed]
    assert get(desk, "/overview")["endpoints_held"] == 1
    assert post(desk, "/endpoints/resume", {"endpoint": ENDPOINT})["resumed"]
    assert not post(desk, "/endpoints/resume", {"endpoint": ENDPOINT})["resumed"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "body_invalid"),
        (b"[]", "application/json", 400, "body_invalid"),
        (b"{}", "text/plain", 415, "media_type_unsupported"),
        (b" " * 70_000, "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_that_is_not_understood_is_told(desk: Desk, body: bytes, kind: str, status: int, code: str) -> None:
    headers = {**desk.headers(), "Content-Type": kind}
    answer = requests.post(f"{desk.url}/api/v1/retries/redrive", data=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_other_methods_and_addresses_are_told(desk: Desk) -> None:
    answer = requests.post(f"{desk.url}/api/v1/jobs", headers=desk.headers(), timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert get(desk, "/nonsense", status=404)["code"] == "not_found"
    assert get(desk, "/jobs/a/b/c", status=404)["code"] == "not_found"
    assert requests.head(f"{desk.url}/api/v1/jobs", headers=desk.headers(), timeout=60).status_code == 200


async def ask_remotely(desk: Desk, job: str) -> None:
    async with remote_operator(desk.url, token=TOKENS["oncall"]) as operator:
        now = await operator.now()
        which = RedriveFilter(endpoint="crm", until=now)
        assert [one.count for one in await operator.count(which)] == [1]
        story = await operator.story((await operator.jobs(JobFilter())).jobs[0].job_id, full=True)
        assert story is not None
        assert (str(story.job.job_id), story.callback_url is None) == (job, False)
        assert await operator.story(uuid4()) is None
        (row,) = (await operator.retries(which, full=True)).retries
        assert row.callback_url == story.callback_url
        assert await operator.redrive(which, new_id=True) == 1
        assert await operator.cancel(RedriveFilter(job_id=row.job_id, service="billing")) == 1
        assert await operator.cancel(RedriveFilter(job_id=row.job_id, service="")) == 0
        held = await operator.pause("crm", reason="wait", seconds=0.5)
        assert held.held_until is not None
        assert (await operator.endpoint("crm")).state == "held"
        assert [one.endpoint for one in (await operator.endpoints()).endpoints] == [ENDPOINT]
        await operator.resume("crm")
        records, cursor = await operator.audit(RECENT, limit=2)
        assert (records[-1].action, cursor is None) == ("pause", False)
        assert (await operator.overview()).retrying == 0
        with pytest.raises(RemoteError, match="which"):
            await operator.redrive(RedriveFilter())
    async with remote_operator(desk.url, token="wrong") as stranger:
        with pytest.raises(RemoteError, match="token"):
            await stranger.now()
    async with remote_operator("http://127.0.0.1:1", token="x") as nobody:
        with pytest.raises(LedgerUnavailable, match="no answer"):
            await nobody.now()


def test_the_api_answers_all_that_the_database_does(desk: Desk) -> None:
    job = waiting(desk)
    asyncio.run(ask_remotely(desk, job))
