"""What operators do to retries: look, send again, give up."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from sidecar.model.delivery import DeliveryState
from sidecar.model.retry import RedriveFilter, RetryVerdict
from sidecar.model.route import Gather
from tests.integration.ledger.kit import ENDPOINT, connection, make_end, make_job, make_result, replica, stored
from tests.integration.ledger.retrying import (
    BUDGET,
    BY,
    HOUR,
    age,
    claimed,
    delivering,
    make_failure,
    make_object,
    make_retry_end,
    retrying,
    row_of,
)

DAY = 86_400.0
KEPT = 14 * DAY
ALL = RedriveFilter()
GONE = {"state": DeliveryState.FAILED, "status": 410, "reason": "gone"}


async def test_a_failed_retry_begins_anew_and_keeps_its_history(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await age(database, job.job_id, BUDGET + 1)
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry))
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 1
        row = await row_of(database, job.job_id)
        assert (row["state"], row["delivery"], row["reason"], row["finished_at"]) == ("pending", "retrying", None, None)
        assert (row["retry_count"], row["attempts"], len(row["history"]), row["redrives"]) == (0, 2, 2, 1)
        assert row["first_failed_at"] == row["next_attempt_at"]
        (retry,) = await claimed(here)
        assert (retry.message_id, retry.attempts) == (f"{job.job_id}:billing:succeeded", 2)
        assert await here.ledger.finish_retry(make_retry_end(retry)) == "pending"  # it has its whole budget again


async def test_a_redrive_takes_the_place_of_the_scheduled_attempt(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 0  # it is being sent
        await here.ledger.finish_retry(make_retry_end(retry, delay=HOUR))
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 1
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 0  # its time has come already
        assert (
            await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=KEPT) == 1
        )  # by name it is
        assert len(await here.ledger.claim_retries({ENDPOINT: 5})) == 1


async def test_a_new_id_is_new_each_time(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        one = RedriveFilter(job_id=job.job_id, service="billing")
        for number in (1, 2):
            assert await here.ledger.redrive.redrive(one, by=BY, retention=KEPT, new_id=True) == 1
            assert (await row_of(database, job.job_id))["message_id"] == f"{job.job_id}:billing:succeeded:r{number}"
        assert await here.ledger.redrive.redrive(one, by=BY, retention=KEPT) == 1
        (retry,) = await claimed(here)
        assert retry.message_id.endswith(":r2")
        view = await here.ledger.job(job.job_id)
        assert view is not None
        assert view.deliveries[0].message_id == retry.message_id


async def test_a_message_that_failed_at_once_is_listed_and_can_be_redriven(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message, **GONE))
        view = await here.ledger.redrive.retry(job.job_id, "billing")
        assert view is not None
        assert (view.state, view.reason, view.attempts, view.history) == ("failed", "gone", 1, ())
        assert await here.ledger.redrive.redrive(RedriveFilter(reason="gone"), by=BY, retention=KEPT, new_id=True) == 1
        row = await row_of(database, job.job_id)
        assert (row["state"], row["delivery"], row["attempts"], row["redrives"]) == ("pending", "retrying", 1, 1)
        assert [attempt["reason"] for attempt in row["history"]] == ["gone"]
        (retry,) = await claimed(here)
        assert (retry.body, retry.message_id) == (b"done", f"{message.message_id}:r1")
        await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.DELIVERED, status=200, reason=None))
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 0  # what was delivered stays so


async def test_an_aggregate_can_be_redriven_while_its_parts_are_there(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "risk", gather=Gather.ALL))
        for service in ("billing", "risk"):
            await here.ledger.record(make_result(job.job_id, service))
        await here.ledger.finish(make_end(here.taker.messages[-1], **GONE))
        async with connection(database) as direct:
            await direct.execute("CREATE TABLE kept AS SELECT * FROM payload WHERE service = 'risk'")
            await direct.execute("DELETE FROM payload WHERE service = 'risk'")
            assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 0
            await direct.execute("INSERT INTO payload SELECT * FROM kept")
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 1
        (retry,) = await claimed(here)
        assert retry.service == ""


@pytest.mark.parametrize("failed_at_once", [True, False])
async def test_a_redrive_is_refused_when_the_body_is_gone_or_the_job_about_to_be(
    database: str, *, failed_at_once: bool
) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        if failed_at_once:
            await here.ledger.finish(make_end(message, **GONE))
        else:
            await here.ledger.finish(make_failure(message))
            (retry,) = await claimed(here)
            await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.FAILED))
        redrive = partial(here.ledger.redrive.redrive, by=BY)
        assert await redrive(ALL, retention=DAY - 60) == 0
        async with connection(database) as direct:
            await direct.execute("DELETE FROM payload WHERE job_id = $1 AND service = 'billing'", job.job_id)
        assert await redrive(ALL, retention=KEPT) == 0
        assert await redrive(RedriveFilter(job_id=job.job_id), retention=KEPT) == 0


async def test_a_redrive_is_refused_when_the_object_is_gone(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger))
        await here.ledger.record(make_result(job.job_id, body=b"", stored=make_object()))
        await here.ledger.finish(make_end(here.taker.messages[0], **GONE))
        async with connection(database) as direct:
            await direct.execute("UPDATE stored_object SET doomed_at = now()")
            assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 0
            await direct.execute("UPDATE stored_object SET doomed_at = NULL")
        assert await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT) == 1


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"first", "second", "third"}),
    ({"correlation_id": "first"}, {"first"}),
    ({"route": "/other"}, {"second"}),
    ({"endpoint": "https://third.example:443"}, {"third"}),
    ({"reason": "status_503"}, {"first", "second"}),
    ({"reason": "gone"}, {"third"}),
    ({"state": "failed"}, {"third"}),
    ({"state": "pending"}, {"first", "second"}),
    ({"since": "between"}, {"second", "third"}),
    ({"until": "between"}, {"first"}),
    ({"since": "between", "route": "/other"}, {"second"}),
    ({"service": "nobody"}, set()),
]


@pytest.mark.parametrize(("which", "expected"), FILTERS, ids=[str(which) for which, _ in FILTERS])
async def test_listing_redriving_and_cancelling_take_the_same_filters(
    database: str, which: dict[str, Any], expected: set[str]
) -> None:
    async with replica(database) as here, connection(database) as direct:
        await later(here, correlation_id="first")
        between: datetime = await direct.fetchval("SELECT now()")
        await later(here, correlation_id="second", route="/other")
        _, (message,) = await delivering(here, correlation_id="third", endpoint="https://third.example:443")
        await here.ledger.finish(make_end(message, **GONE))
        values: dict[str, Any] = {name: between if value == "between" else value for name, value in which.items()}
        given = RedriveFilter(**values)
        page = await here.ledger.redrive.retries(given)
        assert {row.correlation_id for row in page.rows} == expected
        assert page.cursor is None
        assert await here.ledger.redrive.redrive(given, by=BY, retention=KEPT) == len(expected)
        pending = replace(given, state=None, reason=None, since=None, until=None)
        page = await here.ledger.redrive.retries(pending)
        left = {row.correlation_id for row in page.rows if row.state == "pending"}
        assert await here.ledger.redrive.cancel(pending, by=BY) == len(left)


async def later(here: Any, **over: Any) -> None:
    _, (message,) = await delivering(here, **over)
    await here.ledger.finish(make_failure(message, retry_in=HOUR))


async def test_a_list_is_paged_newest_first(database: str) -> None:
    async with replica(database) as here:
        jobs = [(await retrying(here, "billing", "risk")).job_id for _ in range(3)]
        _, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message, **GONE))
        seen, cursor = [], None
        for _ in range(4):
            page = await here.ledger.redrive.retries(ALL, cursor=cursor, limit=2)
            seen += [(row.job_id, row.service) for row in page.rows]
            cursor = page.cursor
        newest = sorted(jobs, key=lambda job_id: job_id.int, reverse=True)
        expected = [(job_id, service) for job_id in newest for service in ("risk", "billing")]
        assert seen == [(message.job_id, "billing"), *expected]
        assert cursor is None
        with pytest.raises(ValueError, match="UUID"):
            await here.ledger.redrive.retries(ALL, cursor="nonsense")


async def test_a_large_redrive_is_done_in_bounded_steps(database: str) -> None:
    async with replica(database) as here:
        for _ in range(3):
            await later(here)
        _, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message, **GONE))
        steps = [await here.ledger.redrive.redrive(ALL, by=BY, retention=KEPT, limit=2) for _ in range(3)]
        assert steps == [2, 2, 0]


async def test_cancelling_ends_what_is_pending_and_leaves_what_is_over(database: str) -> None:
    async with replica(database) as here:
        waiting, sending = (await retrying(here)).job_id, (await retrying(here)).job_id
        retries = await claimed(here, 2)
        for retry in retries:
            if retry.job_id == waiting:
                await here.ledger.finish_retry(make_retry_end(retry))
        _, (message,) = await delivering(here)
        _, (over,) = await delivering(here)
        await here.ledger.finish(make_end(over))
        assert await here.ledger.redrive.cancel(ALL, by=BY, limit=2) == 2
        assert await here.ledger.redrive.cancel(ALL, by=BY, limit=2) == 1
        assert await here.ledger.redrive.cancel(ALL, by=BY, limit=2) == 0
        for job_id in (waiting, sending):
            row = await row_of(database, job_id)
            assert (row["state"], row["reason"], row["delivery"], row["why"]) == ("cancelled",) + ("cancelled",) * 3
        assert not await here.ledger.finish(make_end(message))
        late = next(retry for retry in retries if retry.job_id == sending)
        assert await here.ledger.finish_retry(make_retry_end(late)) is None
