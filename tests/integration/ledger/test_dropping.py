"""Bodies go before their jobs: a request's when every service has it, a result's some time after it was delivered."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from sidecar.ledger import Ledger, Swept
from sidecar.model.delivery import DeliveryState
from sidecar.model.job import NewJob
from sidecar.model.retry import KnownObject, RedriveFilter
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    Replica,
    connection,
    make_end,
    make_job,
    make_release,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.retrying import BY, delivering, make_failure, make_object

HOUR = 3600.0
DAY = 86_400.0
FIRST = make_object(key="first")
MILLISECOND = 1 << 80


def older(ledger: Ledger, seconds: float = 120.0, place: int = 0) -> UUID:
    """An id of a job that was accepted a while ago; ``place`` is among those of that moment."""
    return UUID(int=ledger.new_job_id().int - int(seconds * 1000 - place) * MILLISECOND)


async def accepted(here: Replica, *services: str, **over: Any) -> NewJob:
    return await stored(here.ledger, make_job(here.ledger, *services, job_id=older(here.ledger), **over))


async def dropped(sweep: Callable[[], Awaitable[Swept]]) -> int:
    """Look until there is no more to look at; how many bodies went."""
    found, more = 0, True
    while more:
        swept = await sweep()
        found, more = found + swept.dropped, swept.more
    return found


async def bodies(dsn: str, job_id: UUID) -> dict[str, bytes]:
    """What lies in the database, by service; '' is the request."""
    async with connection(dsn) as direct:
        rows = await direct.fetch("SELECT * FROM payload WHERE job_id = $1 AND dropped_at IS NULL", job_id)
        return {row["service"]: row["body"] for row in rows}


async def look_now(dsn: str) -> None:
    """Let the time pass until what was put off is looked at."""
    async with connection(dsn) as direct:
        await direct.execute("UPDATE sweep_later SET look_at = now()")


async def delivered_before(dsn: str, seconds: float) -> None:
    async with connection(dsn) as direct:
        by = "make_interval(secs => $1::float8)"
        await direct.execute(f"UPDATE delivery SET finished_at = finished_at - {by}", seconds)


async def test_a_request_goes_when_every_service_has_taken_it_or_has_ended(database: str) -> None:
    async with replica(database) as here:
        job = await accepted(here, "billing", "risk")
        drop = here.ledger.dropping.requests
        assert await dropped(drop) == 0
        calls = {call.call.service: call for call in here.taker.calls}
        await here.ledger.release(make_release(calls["billing"], acknowledged=True, retry_in=None))
        await look_now(database)
        assert await dropped(drop) == 0
        assert "" in await bodies(database, job.job_id)
        await here.ledger.record(make_result(job.job_id, "risk"))
        assert await dropped(drop) == 0  # it is looked at again after a while
        await look_now(database)
        assert await dropped(drop) == 1
        assert await bodies(database, job.job_id) == {"risk": b"done"}
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT count(*) FROM sweep_later") == 0


@pytest.mark.parametrize("over", [{}, {"retry_in": 9.0}, {"retry_in": None, "unsure": True}])
async def test_a_request_stays_while_a_service_may_still_be_called(database: str, over: dict[str, Any]) -> None:
    async with replica(database) as here:
        job = await accepted(here)
        await here.ledger.release(make_release(here.taker.calls[0], **over))
        await dropped(here.ledger.dropping.requests)
        await look_now(database)
        assert await dropped(here.ledger.dropping.requests) == 0
        assert await bodies(database, job.job_id) == {"": job.body}


async def test_a_request_in_the_object_store_becomes_unwanted_and_is_removed(database: str) -> None:
    async with replica(database) as here:
        job = await accepted(here, body=b"", stored=FIRST)
        objects = here.ledger.objects
        await dropped(here.ledger.dropping.requests)
        assert await objects.unwanted() == []
        await here.ledger.record(make_result(job.job_id))
        await look_now(database)
        await dropped(here.ledger.dropping.requests)
        known = [KnownObject(job.job_id, "", FIRST)]
        assert await objects.unwanted() == known
        assert await objects.unwanted() == []  # somebody is at it
        assert await objects.deleted(known) == 1


async def test_what_was_accepted_just_now_is_left_for_the_next_look(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger))
        await here.ledger.record(make_result(job.job_id))
        assert await dropped(here.ledger.dropping.requests) == 0
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT count(*) FROM sweep_later") == 0


async def test_a_job_whose_body_took_its_time_is_looked_at_although_the_sweep_has_passed_it(database: str) -> None:
    async with replica(database) as here:
        slow = make_job(here.ledger, job_id=older(here.ledger, 200.0))  # the id is made before the body is read
        passed = await accepted(here)
        assert await dropped(here.ledger.dropping.requests) == 0
        async with connection(database) as direct:
            mark = await direct.fetchval("SELECT upto FROM sweep WHERE name = 'requests'")
        assert slow.job_id < mark
        await stored(here.ledger, slow)
        for job in (slow, passed):
            await here.ledger.record(make_result(job.job_id))
        await look_now(database)
        assert await dropped(here.ledger.dropping.requests) == 2
        assert await bodies(database, slow.job_id) == {"billing": b"done"}


async def test_what_is_noted_and_never_stored_is_forgotten(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await here.ledger.dropping.note(older(here.ledger))
        await look_now(database)
        assert await dropped(here.ledger.dropping.requests) == 0
        assert await direct.fetchval("SELECT count(*) FROM sweep_later") == 0


async def test_a_sweep_that_was_ahead_of_the_time_comes_back(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        ahead = UUID(int=here.ledger.new_job_id().int + 2 * 86_400_000 * MILLISECOND)
        await direct.execute("UPDATE sweep SET upto = $1 WHERE name = 'requests'", ahead)
        await dropped(here.ledger.dropping.requests)
        mark = UUID(int=(await direct.fetchval("SELECT upto FROM sweep WHERE name = 'requests'")).int)
        assert mark < here.ledger.new_job_id()


async def test_every_job_is_looked_at_however_many_there_are(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.ledger.dropping.LIMIT", 3)
    async with replica(database) as here:
        jobs = [
            await stored(here.ledger, make_job(here.ledger, job_id=older(here.ledger, 100.0, place)))
            for place in range(10)
        ]
        for job in jobs:
            await here.ledger.record(make_result(job.job_id))
        looks = []
        while (swept := await here.ledger.dropping.requests()).more:
            looks.append(swept.dropped)
        looks.append(swept.dropped)
        assert (sum(looks), max(looks)) == (10, 3)


async def test_one_replica_drops_at_a_time(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        job = await accepted(here)
        await here.ledger.record(make_result(job.job_id))
        assert await dropped(here.ledger.dropping.requests) == 1
        other = await accepted(there)
        await there.ledger.record(make_result(other.job_id))
        assert await dropped(there.ledger.dropping.requests) == 0
        assert "" in await bodies(database, other.job_id)


async def test_a_result_goes_a_while_after_it_was_delivered_and_its_digest_stays(database: str) -> None:
    async with replica(database) as here:
        body = b"a body that is stored compressed, " * 20
        job, (message,) = await delivering(here, body=body, job_id=older(here.ledger, 2 * HOUR))
        drop = here.ledger.dropping.results
        assert await dropped(partial(drop, HOUR)) == 0
        await here.ledger.finish(make_end(message))
        await look_now(database)
        assert await dropped(partial(drop, HOUR)) == 0
        await delivered_before(database, HOUR)
        await look_now(database)
        assert await dropped(partial(drop, HOUR)) == 1
        (part,) = await here.ledger.parts(job.job_id)
        assert (part.gone, part.body, part.headers) == (True, b"", b"")
        repeated = await here.ledger.record(make_result(job.job_id, body=body))
        assert repeated.verdict == "same"
        await look_now(database)
        assert await dropped(partial(drop, HOUR)) == 0
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT count(*) FROM sweep_later WHERE name = 'results'") == 0


async def test_the_body_of_a_failed_message_stays_and_can_be_redriven(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here, job_id=older(here.ledger, 2 * HOUR))
        await here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
        await delivered_before(database, 2 * HOUR)
        for _ in range(2):
            assert await dropped(partial(here.ledger.dropping.results, HOUR)) == 0
            await look_now(database)
        assert await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=14 * DAY) == 1


async def test_parts_of_an_aggregate_stay_until_the_aggregate_was_delivered(database: str) -> None:
    async with replica(database) as here:
        job = await stored(
            here.ledger,
            make_job(here.ledger, "billing", "risk", gather=Gather.ALL, job_id=older(here.ledger, 2 * HOUR)),
        )
        await here.ledger.record(make_result(job.job_id, "billing"))
        assert await dropped(partial(here.ledger.dropping.results, 0.0)) == 0
        await here.ledger.record(make_result(job.job_id, "risk"))
        await look_now(database)
        assert await dropped(partial(here.ledger.dropping.results, 0.0)) == 0
        await here.ledger.finish(make_end(here.taker.messages[-1]))
        await look_now(database)
        assert await dropped(partial(here.ledger.dropping.results, 0.0)) == 2
        assert [part.gone for part in await here.ledger.parts(job.job_id)] == [True, True]


async def test_a_copy_in_the_object_store_takes_the_place_of_a_dropped_body(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here, job_id=older(here.ledger, 2 * HOUR))
        await here.ledger.objects.kept(job.job_id, "billing", FIRST)
        await here.ledger.finish(make_end(message))
        await dropped(partial(here.ledger.dropping.results, 0.0))
        (part,) = await here.ledger.parts(job.job_id)
        assert (part.gone, part.stored, part.body) == (False, FIRST, b"")
        assert part.headers == b"content-type: text/plain\r\n"


async def test_a_redrive_leaves_out_what_has_no_body(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        each, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
        retried, (first,) = await delivering(here)
        await here.ledger.finish(make_failure(first))
        await direct.execute("UPDATE oas_webhook_retry SET next_attempt_at = now() + interval '1 hour'")
        every = await stored(here.ledger, make_job(here.ledger, gather=Gather.ALL))
        await here.ledger.record(make_result(every.job_id))
        aggregate = here.taker.messages[-1]
        await here.ledger.finish(make_end(aggregate, state=DeliveryState.FAILED, status=410, reason="gone"))
        await direct.execute("UPDATE payload SET body = '', dropped_at = now() WHERE service <> ''")
        for job in (each, retried, every):
            assert await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=14 * DAY) == 0
        await direct.execute("UPDATE payload SET dropped_at = NULL")
        for job in (each, retried, every):
            assert await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=14 * DAY) == 1
