"""Looking around in the ledger as operators do: jobs, their story, endpoints, and what all workers do."""

import re
from datetime import timedelta
from typing import Any

import pytest

from sidecar.ledger.clock import ceiling_id, floor_id
from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.operator import operator_ledger
from sidecar.ledger.sqlfiles import load_queries
from sidecar.model.delivery import DeliveryState
from sidecar.model.outcome import OutcomeKind
from sidecar.model.retry import RedriveFilter
from sidecar.model.seen_jobs import JobFilter, JobProgress
from sidecar.operate.cursor import CursorError
from sidecar.operate.local import EndpointNames, LocalOperator
from sidecar.settings.webhook import WebhookEndpoint, WebhookSettings
from tests.integration.ledger.filling import JOBS
from tests.integration.ledger.kit import (
    ENDPOINT,
    Replica,
    connection,
    make_end,
    make_job,
    make_refusal,
    make_release,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.retrying import BY, claimed, delivering, make_failure, make_retry_end, retrying

OTHER = "https://third.example:443"
RETRIES = RedriveFilter()
NAMES = EndpointNames(WebhookSettings(endpoints=(WebhookEndpoint(name="crm", match="https://hooks.example/crm/1.0"),)))


class Desk:
    """An operator at work beside a replica."""

    def __init__(self, here: Replica, operator: LocalOperator) -> None:
        self.here = here
        self.operator = operator

    async def states(self, **which: Any) -> dict[str, JobProgress]:
        return {str(job.job_id): job.state for job in (await self.operator.jobs(JobFilter(**which))).jobs}


@pytest.fixture
async def desk(database: str) -> Any:
    async with replica(database) as here, operator_ledger(LedgerConfig(dsn=database, pool=2)) as ledger:
        yield Desk(here, LocalOperator(ledger, by=BY, names=NAMES, retention=14 * 86_400.0))


async def test_jobs_are_listed_newest_first_with_how_far_they_got(desk: Desk) -> None:
    here = desk.here
    running = await stored(here.ledger, make_job(here.ledger, correlation_id="c-running"))
    delivery, _ = await delivering(here)
    again = await retrying(here)
    done, (message,) = await delivering(here)
    await here.ledger.finish(make_end(message))
    bad, (message,) = await delivering(here)
    await here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
    refused = await stored(here.ledger, make_job(here.ledger))
    await here.ledger.record(make_refusal(here.taker.calls[-1]))
    expected = {
        str(bad.job_id): "failed",
        str(done.job_id): "done",
        str(again.job_id): "retrying",
        str(delivery.job_id): "delivering",
        str(running.job_id): "running",
    }
    found = await desk.states()
    assert found.pop(str(refused.job_id)) == "delivering"  # its error goes to the webhook
    assert list(found.items()) == list(expected.items())
    for job, state in expected.items():
        assert job in await desk.states(state=JobProgress(state))
    assert list(await desk.states(correlation_id="c-running")) == [str(running.job_id)]
    assert await desk.states(route="/another") == {}
    assert await desk.states(application="another") == {}
    assert await desk.states(until=await desk.operator.now() - timedelta(hours=1)) == {}


async def test_pages_go_on_where_the_last_one_ended_whatever_comes_meanwhile(desk: Desk) -> None:
    ids = [(await stored(desk.here.ledger, make_job(desk.here.ledger))).job_id for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = await desk.operator.jobs(JobFilter(), cursor=cursor, limit=2)
        seen += [job.job_id for job in page.jobs]
        await stored(desk.here.ledger, make_job(desk.here.ledger))
        if (cursor := page.cursor) is None:
            break
    assert seen == sorted(ids, reverse=True)  # those of one millisecond are in no order of time


@pytest.mark.parametrize("cursor", ["nonsense", "", "am9iczo", "cmV0cmllczp4", "am9iczp4eA", "ä"])
async def test_a_cursor_that_no_page_gave_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(CursorError):
        await desk.operator.jobs(JobFilter(), cursor=cursor)
    with pytest.raises(CursorError):
        await desk.operator.retries(RETRIES, cursor=cursor)


async def test_the_story_of_a_job_has_every_attempt_and_what_it_waits_for(desk: Desk) -> None:
    here = desk.here
    job = await stored(here.ledger, make_job(here.ledger, callback_url="https://hooks.example/crm/1.0/r?token=hush"))
    (call,) = here.taker.calls
    await here.ledger.release(make_release(call, status=503, reason="busy", attempted=True))
    (call,) = await here.ledger.claim_invocations({call.call.service_key: 1})
    await here.ledger.release(make_release(call, acknowledged=True, status=202, attempted=True, retry_in=None))
    await here.ledger.record(make_result(job.job_id))
    (message,) = here.taker.messages
    await here.ledger.finish(make_failure(message))
    (retry,) = await claimed(here)
    await here.ledger.finish_retry(make_retry_end(retry))
    await desk.operator.pause(ENDPOINT, reason="their upgrade")
    story = await desk.operator.story(job.job_id)
    assert story is not None
    assert [event.what for event in story.events] == [
        "accepted",
        "call_failed",
        "acknowledged",
        "outcome_result",
        "message_made",
        "attempt_failed",
        "attempt_failed",
        "next_attempt",
    ]
    assert [event.reason for event in story.events[5:]] == ["status_503", "status_502", "endpoint_held"]
    assert (story.callback_url, story.job.callback_host) == (None, "hooks.example")
    assert "hush" not in repr(story)
    full = await desk.operator.story(job.job_id, full=True)
    assert full is not None
    assert full.callback_url == "https://hooks.example/crm/1.0/r?(not shown)"
    assert "hush" not in repr(full)
    assert await desk.operator.story(here.ledger.new_job_id()) is None


async def test_endpoints_are_told_with_their_circuit_and_what_waits(desk: Desk) -> None:
    here = desk.here
    await retrying(here)
    _job, (_message,) = await delivering(here, endpoint=OTHER)
    here.taker.full.append(OTHER)
    await delivering(here, endpoint=OTHER)
    await here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect")
    first, second = (await desk.operator.endpoints()).endpoints
    assert (first.endpoint, first.name, first.state, first.reason) == (ENDPOINT, "crm", "open", "connect")
    assert (first.retrying, first.waiting, second.retrying, second.waiting) == (1, 0, 0, 1)
    assert first.oldest_due is not None
    held = await desk.operator.pause("crm", reason="wait", seconds=60)
    assert (held.endpoint, held.state, held.held_by, held.reason) == (ENDPOINT, "held", "oncall", "wait")
    assert await desk.operator.resume("crm")
    assert (await desk.operator.endpoint(ENDPOINT)).state == "open"
    page = await desk.operator.endpoints(limit=1)
    assert [one.endpoint for one in page.endpoints] == [ENDPOINT]
    rest = await desk.operator.endpoints(cursor=page.cursor, limit=1)
    assert [one.endpoint for one in rest.endpoints] == [OTHER]
    stranger = await desk.operator.endpoint("https://nobody.example:443")
    assert (stranger.state, stranger.waiting, stranger.retrying) == ("closed", 0, 0)


async def test_the_overview_counts_what_waits_and_adds_up_the_minutes_of_all_workers(desk: Desk, database: str) -> None:
    here = desk.here
    await retrying(here)
    _done, (message,) = await delivering(here)
    await here.ledger.finish(make_end(message))
    await stored(here.ledger, make_job(here.ledger))
    async with replica(database) as there:
        await delivering(there)
        for one in (here, there, here):
            await one.ledger.pulse.add()
        overview = await desk.operator.overview()
        assert (overview.invocations, overview.retrying, overview.sending) == (1, 1, 1)
        assert len(overview.workers) == 2
    minutes = overview.minutes
    total = [sum(getattr(one, name) for one in minutes) for name in ("accepted", "delivered", "silent", "failed")]
    assert total == [4, 1, 1, 0]
    assert minutes[0].retrying == 1


async def test_a_cancelled_outcome_is_no_message(desk: Desk) -> None:
    job = await stored(desk.here.ledger, make_job(desk.here.ledger))
    await desk.here.ledger.record(make_result(job.job_id, outcome=OutcomeKind.CANCELLED, kind=None))
    story = await desk.operator.story(job.job_id)
    assert story is not None
    assert [event.what for event in story.events] == ["accepted", "outcome_cancelled"]


async def test_a_correlation_id_has_an_index_in_every_day_that_was_made_since(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await here.ledger.ensure_partitions(2)
        days = await direct.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'job'::regclass")
        indexed = await direct.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'job_correlation'::regclass"
        )
        assert indexed == days
        await direct.execute(JOBS, 5000, 1, 0, await direct.fetchval("SELECT now()"))
        await direct.execute("ANALYZE job; SET plan_cache_mode = force_custom_plan")
        now = int(await direct.fetchval("SELECT extract(epoch FROM now())"))
        cells = (floor_id(now - 3600), ceiling_id(now), "c", 5000, None, None, None, 10)
        plan = "\n".join(row[0] for row in await direct.fetch(f"EXPLAIN {load_queries().jobs}", *cells))
        assert re.search(r"Index Cond: \(\(correlation_id = 'c'::text\) AND \(job_id >=", plan), plan
