"""The retry sequence in the ledger: how it begins, goes on and ends, by the database's clock."""

from typing import Any

import pytest

from sidecar.model.delivery import DeliveryState
from sidecar.model.outcome import MessageKind
from sidecar.model.retry import RetryState, RetryVerdict
from sidecar.model.route import Gather
from tests.integration.ledger.kit import ENDPOINT, connection, make_end, make_job, make_result, replica, stored
from tests.integration.ledger.retrying import (
    BUDGET,
    HOUR,
    age,
    claimed,
    delivering,
    make_due,
    make_failure,
    make_object,
    make_retry_end,
    retrying,
    row_of,
)

OTHER = "https://other.example:443"


async def test_a_first_failure_makes_the_retry_and_frees_the_delivery_at_once(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        assert await here.ledger.finish(make_failure(message, retry_in=HOUR))
        row = await row_of(database, job.job_id)
        assert (row["state"], row["delivery"], row["retry_count"], row["attempts"]) == ("pending", "retrying", 0, 1)
        assert (row["message_id"], row["correlation_id"], row["route"]) == (message.message_id, "c-1", job.route)
        assert (row["callback_url"], row["endpoint"]) == (job.callback_url, ENDPOINT)
        assert row["since_first"] == HOUR
        (attempt,) = row["history"]
        assert (attempt["status"], attempt["reason"], attempt["seconds"]) == (503, "status_503", 0.25)
        assert row["waits_for"] == "backoff"
        assert len(here.ledger.registry) == 1  # the call
        assert not await here.ledger.finish(make_failure(message))


@pytest.mark.parametrize(
    ("delay", "retry_after", "since_first"),
    [(1.0, 0.0, 1.0), (1.0, 120.0, 120.0), (60.0, 5.0, 60.0), (1.0, 2 * BUDGET, BUDGET)],
)
async def test_the_first_retry_is_as_late_as_asked_for_but_within_the_budget(
    database: str, delay: float, retry_after: float, since_first: float
) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        await here.ledger.finish(make_failure(message, retry_in=delay, retry_after=retry_after))
        assert (await row_of(database, job.job_id))["since_first"] == since_first


async def test_a_claimed_retry_has_all_that_sending_takes(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        upload = "https://up.example/put"
        job = await retrying(here, upload_url=upload, traceparent="00-t")
        (retry,) = await claimed(there)
        assert (retry.headers, retry.body, retry.stored) == (b"content-type: text/plain\r\n", b"done", None)
        assert (retry.upload_url, retry.links_base, retry.traceparent) == (upload, job.links_base, "00-t")
        assert (retry.claim, retry.attempts, retry.retry_count, retry.services_total) == (1, 1, 0, 1)
        assert (retry.message_id, retry.kind) == (f"{job.job_id}:billing:succeeded", MessageKind.DIRECT)
        assert there.ledger.registry.holds("retry", job.job_id, "billing", 1)
        assert (await row_of(database, job.job_id))["waits_for"] == "being_sent"
        assert await here.ledger.claim_retries({ENDPOINT: 5}) == []


async def test_an_aggregate_is_retried_by_its_empty_name_and_never_takes_the_request_for_its_body(
    database: str,
) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "risk", gather=Gather.ALL, body=b"request"))
        for service in ("billing", "risk"):
            await here.ledger.record(make_result(job.job_id, service))
        assert await here.ledger.finish(make_failure(here.taker.messages[-1]))
        (retry,) = await claimed(here)
        assert (retry.service, retry.kind, retry.body) == ("", MessageKind.AGGREGATE, b"")
        assert retry.message_id == f"{job.job_id}:all:succeeded"
        assert await here.ledger.objects.unmoved() == []
        assert await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.DELIVERED))


ENDS: list[tuple[RetryVerdict, dict[str, Any], tuple[Any, ...]]] = [
    (RetryVerdict.DELIVERED, {"status": 200, "reason": None}, ("delivered", "delivered", None, None)),
    (RetryVerdict.FAILED, {"status": 410, "reason": "gone"}, ("failed", "failed", "gone", "gone")),
    (RetryVerdict.AGAIN, {"delay": BUDGET + 1}, ("failed", "failed", "retries_exhausted", "retries_exhausted")),
]


@pytest.mark.parametrize(("verdict", "over", "expected"), ENDS, ids=[end[0] for end in ENDS])
async def test_the_end_of_a_retry_is_the_end_of_its_delivery(
    database: str, verdict: RetryVerdict, over: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        state = await here.ledger.finish_retry(make_retry_end(retry, verdict=verdict, **over))
        row = await row_of(database, job.job_id)
        assert (row["state"], row["delivery"], row["reason"], row["why"]) == expected
        assert state == row["state"]
        assert (row["attempts"], row["tries"], row["retry_count"], len(row["history"])) == (2, 2, 1, 2)
        assert row["worker"] is None
        assert row["next_attempt_at"] is None
        assert row["finished_at"] == row["ended"] is not None
        assert not here.ledger.registry.holds("retry", job.job_id, "billing", 1)
        assert await here.ledger.finish_retry(make_retry_end(retry)) is None


@pytest.mark.parametrize(
    ("past", "delay", "wait", "since_first"),
    [
        (0.0, HOUR, 0.0, HOUR),
        (0.0, 2.0, 300.0, 300.0),
        (0.0, HOUR, 300.0, HOUR),
        (BUDGET - 10, 5.0, 10 * HOUR, BUDGET),  # asked for a pause beyond the budget: one attempt at its edge
        (BUDGET - 10, 5.0, 0.0, BUDGET - 5),
        (BUDGET - 10, 15.0, 0.0, None),
        (BUDGET + HOUR, 1.0, 0.0, None),  # a late attempt, which failed
    ],
)
async def test_only_a_failed_attempt_whose_next_one_falls_beyond_the_budget_ends_the_sequence(
    database: str, past: float, delay: float, wait: float, since_first: float | None
) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await age(database, job.job_id, past)
        (retry,) = await claimed(here)  # however late it is
        state = await here.ledger.finish_retry(make_retry_end(retry, delay=delay, wait=wait))
        row = await row_of(database, job.job_id)
        if since_first is None:
            assert (state, row["reason"]) == (RetryState.FAILED, "retries_exhausted")
        else:
            assert state == RetryState.PENDING
            assert row["since_first"] == pytest.approx(since_first, abs=5.0)
            assert (row["delivery"], row["retry_count"], row["last_reason"]) == ("retrying", 1, "status_502")


async def test_what_we_put_off_ourselves_counts_no_attempt_and_says_so(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await age(database, job.job_id, 2 * BUDGET)
        (retry,) = await claimed(here)
        end = make_retry_end(retry, verdict=RetryVerdict.DEFERRED, reason="no_token", delay=30.0, budget=0.0)
        assert await here.ledger.finish_retry(end) == RetryState.PENDING
        row = await row_of(database, job.job_id)
        assert (row["attempts"], row["retry_count"], len(row["history"])) == (1, 0, 1)
        assert (row["deferral"], row["waits_for"], row["last_reason"]) == ("no_token", "no_token", "status_503")
        assert 0 < row["due_in"] <= 30
        await make_due(database)
        (retry,) = await claimed(here)
        assert retry.claim == 2
        await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.DELIVERED, status=200, reason=None))
        assert (await row_of(database, job.job_id))["deferral"] is None


async def test_the_history_keeps_the_last_attempts(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        for number in range(70):
            (retry,) = await claimed(here)
            assert retry.attempts == number + 1
            await here.ledger.finish_retry(make_retry_end(retry, delay=0.0, status=500 + number % 10))
        row = await row_of(database, job.job_id)
        assert (row["retry_count"], row["attempts"], len(row["history"])) == (70, 71, 64)
        assert [attempt["status"] for attempt in row["history"][-2:]] == [508, 509]
        view = await here.ledger.redrive.retry(job.job_id, "billing")
        assert view is not None
        assert len(view.history) == 64
        assert view.history[-1].seconds == 0.5


async def test_two_replicas_claim_disjoint_rows_and_no_more_than_their_places(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        services = [f"s{number}" for number in range(6)]
        job = await retrying(here, *services)
        mine = await here.ledger.claim_retries({ENDPOINT: 4, OTHER: 4})
        yours = await there.ledger.claim_retries({ENDPOINT: 4})
        assert (len(mine), len(yours)) == (4, 2)
        assert {retry.service for retry in [*mine, *yours]} == set(services)
        assert {retry.job_id for retry in mine} == {job.job_id}


async def test_endpoints_with_due_retries_are_told_page_by_page(database: str) -> None:
    async with replica(database) as here:
        names = [f"https://e{number}.example:443" for number in range(5)]
        for name in names:
            await retrying(here, endpoint=name)
        _, (later,) = await delivering(here, endpoint="https://later.example:443")
        await here.ledger.finish(make_failure(later, retry_in=HOUR))
        page = await here.ledger.retry_endpoints_with_work()
        assert (page.names, page.cursor) == (tuple(names), None)
        assert (await here.ledger.retry_endpoints_with_work(names[2])).names == tuple(names[3:])


async def test_a_first_failure_of_a_stored_result_names_its_object(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger))
        document = make_object()
        await here.ledger.record(make_result(job.job_id, body=b"", stored=document))
        (message,) = here.taker.messages
        assert (message.stored, message.body) == (document, b"")
        await here.ledger.finish(make_failure(message))
        row = await row_of(database, job.job_id)
        assert (row["bucket"], row["object_key"], row["size"]) == ("results", "2026/01/02/a/b/random", 1000)
        assert (row["stored_size"], row["sha256"], row["content_coding"]) == (400, (b"s" * 32).hex(), "gzip")
        (retry,) = await claimed(here)
        assert retry.stored == document
        assert await here.ledger.objects.unmoved() == []


async def test_the_owner_of_a_job_sees_the_retry_in_its_deliveries(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry))
        view = await here.ledger.job(job.job_id)
        assert view is not None
        (message,) = view.deliveries
        assert (message.state, message.attempts, message.reason) == (DeliveryState.RETRYING, 2, "status_502")
        assert message.next_attempt_at is not None
        assert message.message_id == f"{job.job_id}:billing:succeeded"


async def test_ends_of_many_kinds_go_together(database: str) -> None:
    async with replica(database) as here:
        job, messages = await delivering(here, *(f"s{number}" for number in range(6)))
        first, second, *others = messages
        assert await here.ledger.finish(make_end(first))
        assert await here.ledger.finish(make_end(second, state=DeliveryState.FAILED, status=410, reason="gone"))
        for message in others:
            assert await here.ledger.finish(make_failure(message))
        async with connection(database) as direct:
            states = await direct.fetch("SELECT state FROM delivery WHERE job_id = $1 ORDER BY service", job.job_id)
        assert [row["state"] for row in states] == ["delivered", "failed"] + ["retrying"] * 4
