"""The time line of a job, told from what the ledger has."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sidecar.model.audit import AuditRecord
from sidecar.model.retry import RetryAttempt, RetryState
from sidecar.model.seen_jobs import JobFacts, JobProgress, JobSummary, MessageFacts, ServiceFacts
from sidecar.model.seen_retries import LedgerRow
from sidecar.model.story import StoryEvent
from sidecar.operate.story import story_events, why_waiting

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
JOB = UUID("01a209c8-ed00-7d23-aab6-e8c29e93e8ec")
SERVICE = ServiceFacts(
    service="billing",
    outcome=None,
    status=None,
    kind=None,
    attempts=1,
    unsure=False,
    takeovers=0,
    under_way=False,
    claimed_at=None,
    next_attempt_at=None,
    acknowledged_at=None,
    receiving=False,
    deadline_at=NOON + timedelta(minutes=15),
    last_status=None,
    last_reason=None,
    history=(),
    finished_at=None,
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


MESSAGE = MessageFacts(
    service="billing",
    kind="direct",
    status="succeeded",
    state="open",
    attempts=0,
    waits_for="turn",
    claimed_at=None,
    due_at=at(3),
    last_status=None,
    last_reason=None,
    created_at=at(3),
    finished_at=None,
)
ENDED = replace(
    SERVICE,
    outcome="result",
    status="succeeded",
    kind="direct",
    acknowledged_at=at(1),
    last_status=202,
    finished_at=at(3),
)


def make_row(**over: Any) -> LedgerRow:
    given: dict[str, Any] = dict.fromkeys(one.name for one in fields(LedgerRow))
    return LedgerRow(**{**given, "job_id": JOB, "service": "billing", "state": RetryState.PENDING, **over})


def make_facts(*services: ServiceFacts, messages: tuple[MessageFacts, ...] = (), **over: Any) -> JobFacts:
    summary = JobSummary(
        job_id=JOB,
        correlation_id="c-1",
        application="shop",
        route="/orders",
        method="POST",
        endpoint="https://hooks.example:443",
        callback_host="hooks.example",
        gather="each",
        state=JobProgress.RUNNING,
        services_total=len(services),
        services_open=0,
        messages_open=0,
        messages_delivered=0,
        messages_failed=0,
        created_at=NOON,
        deadline_at=at(900),
    )
    return JobFacts(replace(summary, **over), "https://hooks.example/", None, services, messages)


def told(
    facts: JobFacts, *rows: LedgerRow, audit: tuple[AuditRecord, ...] = (), now: float = 60
) -> tuple[StoryEvent, ...]:
    return story_events(facts, rows, audit, now=at(now))


def words(events: tuple[StoryEvent, ...]) -> list[str]:
    return [event.what for event in events]


def test_a_job_that_went_well_is_told_from_accept_to_delivery() -> None:
    delivered = replace(MESSAGE, state="delivered", attempts=1, last_status=204, waits_for=None, finished_at=at(4))
    events = told(make_facts(ENDED, messages=(delivered,)))
    assert words(events) == ["accepted", "acknowledged", "outcome_result", "message_made", "delivered"]
    assert [event.status for event in events] == [None, 202, None, None, 204]
    assert events[0].text == "Accepted from shop at POST /orders, for one service."


def test_each_failed_call_and_each_failed_attempt_is_told_with_its_reason() -> None:
    service = replace(ENDED, history=(RetryAttempt(at(0.5), 503, "busy", None),))
    message = replace(MESSAGE, state="retrying", waits_for=None)
    row = make_row(
        waits_for="backoff",
        next_attempt_at=at(90),
        history=(RetryAttempt(at(4), None, "connect", 5.0), RetryAttempt(at(6), 503, "status_503", 0.25)),
    )
    events = told(make_facts(service, messages=(message,)), row)
    assert words(events) == [
        "accepted",
        "call_failed",
        "acknowledged",
        "outcome_result",
        "message_made",
        "attempt_failed",
        "attempt_failed",
        "next_attempt",
    ]
    assert events[5].text == "The message about billing got no answer (connect)."
    assert (events[6].status, events[6].reason, events[6].seconds) == (503, "status_503", 0.25)
    assert (events[-1].at, events[-1].reason) == (at(90), "backoff")


def test_what_was_delivered_after_retries_is_told_once() -> None:
    message = replace(MESSAGE, state="delivered", attempts=2, last_status=200, waits_for=None, finished_at=at(8))
    history = (RetryAttempt(at(4), 503, "status_503", 0.1), RetryAttempt(at(8), 200, None, 0.2))
    events = told(make_facts(ENDED, messages=(message,)), make_row(state=RetryState.DELIVERED, history=history))
    assert words(events)[-3:] == ["message_made", "attempt_failed", "delivered"]


def test_what_failed_for_good_says_why_and_what_helps() -> None:
    message = replace(MESSAGE, state="failed", attempts=1, last_status=410, last_reason="gone", finished_at=at(4))
    (*_, event) = told(make_facts(ENDED, messages=(message,)))
    assert (event.what, event.reason, event.status) == ("failed", "gone", 410)
    assert event.text.endswith("an attempt was answered with 410. It can be redriven.")


@pytest.mark.parametrize(
    ("over", "what", "text"),
    [
        ({"under_way": True, "claimed_at": at(1)}, "call_under_way", "is being called"),
        ({"next_attempt_at": at(70)}, "call_due", "called again"),
        ({"receiving": True}, "result_arriving", "is arriving"),
        ({"unsure": True, "last_reason": "ack_timeout"}, "deadline", "nobody knows whether the call arrived"),
        ({}, "deadline", "is awaited until then."),
    ],
)
def test_what_a_service_is_waited_for_is_told_last(over: dict[str, Any], what: str, text: str) -> None:
    (*_, event) = told(make_facts(replace(SERVICE, **over)))
    assert event.what == what
    assert text in event.text


@pytest.mark.parametrize("outcome", ["refused", "error", "deadline", "cancelled", "acknowledged"])
def test_every_outcome_has_a_sentence(outcome: str) -> None:
    status = "succeeded" if outcome == "acknowledged" else "failed"
    (*_, event) = told(make_facts(replace(ENDED, outcome=outcome, status=status)))
    assert (event.what, event.mood) == (f"outcome_{outcome}", "good" if outcome == "acknowledged" else "bad")
    assert "billing" in event.text


def test_who_acted_stands_in_the_time_line() -> None:
    entry = AuditRecord(1, at(5), "oncall", "operator", "redrive", "filter", {"count": 7})
    (*_, event) = told(make_facts(), audit=(entry,))
    assert (event.leg, event.text) == ("operator", "Redriven by oncall, with others: 7 messages in all.")


def test_every_reason_to_wait_has_a_sentence_and_faults_of_ours_name_themselves() -> None:
    assert why_waiting("endpoint_held").startswith("An operator holds")
    assert why_waiting("store_unavailable") == "A fault of ours put it off: store_unavailable."
