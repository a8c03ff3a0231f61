"""Bodies that lie in the object store: named once, and kept while they are needed."""

from uuid import UUID

from sidecar.ledger import Ledger
from sidecar.model.handed import Handed
from sidecar.model.outcome import ResultStatus, Verdict
from sidecar.model.retry import KnownObject, RetryVerdict, Unmoved
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    SERVICE_KEY,
    connection,
    make_end,
    make_job,
    make_release,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.retrying import (
    claimed,
    delivering,
    make_failure,
    make_object,
    make_retry_end,
    retrying,
    row_of,
)

HOUR = 3600.0
RETENTION = 12 * HOUR
FIRST, SECOND = make_object(key="first"), make_object(key="second")


async def test_a_stored_request_reaches_the_calls_handed_over_and_claimed(database: str) -> None:
    async with replica(database) as here:
        job = make_job(here.ledger, "billing", "risk", body=b"", stored=FIRST)
        await stored(here.ledger, job)
        assert [(call.stored, call.body) for call in here.taker.calls] == [(FIRST, b"")] * 2
        await here.ledger.release(make_release(here.taker.calls[0]))
        (call,) = await here.ledger.claim_invocations({SERVICE_KEY: 5})
        assert (call.stored, call.body) == (FIRST, b"")


async def test_a_stored_result_reaches_deliveries_and_parts(database: str) -> None:
    async with replica(database) as here:
        upload = "https://up.example/put"
        each = await stored(here.ledger, make_job(here.ledger, upload_url=upload))
        here.taker.full = [each.endpoint]
        await here.ledger.record(make_result(each.job_id, body=b"", stored=FIRST))
        (message,) = await here.ledger.claim_deliveries({each.endpoint: 1})
        assert (message.stored, message.upload_url, message.links_base) == (FIRST, upload, each.links_base)
        every = await stored(here.ledger, make_job(here.ledger, "billing", "risk", gather=Gather.ALL))
        await here.ledger.record(make_result(every.job_id, "billing", body=b"", stored=SECOND))
        assert [part.stored for part in await here.ledger.parts(every.job_id)] == [SECOND, None]


async def test_a_large_callback_that_is_repeated_is_the_same_by_its_body_not_by_its_object(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger))
        result = make_result(job.job_id, body=b"", stored=FIRST)
        assert (await here.ledger.record(result)).verdict is Verdict.WON
        again = make_result(job.job_id, body=b"", stored=SECOND)
        assert (await here.ledger.record(again)).verdict is Verdict.SAME
        other = make_result(job.job_id, body=b"", stored=make_object(sha256=b"x" * 32))
        assert (await here.ledger.record(other)).verdict is Verdict.OTHER
        failed = make_result(job.job_id, body=b"", stored=FIRST, status=ResultStatus.FAILED)
        assert (await here.ledger.record(failed)).verdict is Verdict.OTHER
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT array_agg(object) FROM stored_object") == [FIRST]


async def test_small_bodies_of_pending_retries_are_moved_once(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        first, second = await retrying(here), await retrying(here, body=b"other")
        expected = [
            Unmoved(job.job_id, "billing", job.route, job.endpoint, b"content-type: text/plain\r\n", body)
            for job, body in ((first, b"done"), (second, b"other"))
        ]
        assert await here.ledger.objects.unmoved() == expected
        assert await there.ledger.objects.unmoved(1) == expected[:1]
        assert await here.ledger.objects.moved(first.job_id, "billing", FIRST)
        assert not await there.ledger.objects.moved(first.job_id, "billing", SECOND)  # the loser removes its own
        assert await here.ledger.objects.unmoved() == expected[1:]
        assert (await row_of(database, first.job_id))["object_key"] == "first"
        retry = next(retry for retry in await claimed(here, 2) if retry.job_id == first.job_id)
        assert (retry.stored, retry.body) == (FIRST, b"done")


async def test_a_retry_that_is_over_needs_no_object(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.DELIVERED, status=200, reason=None))
        assert await here.ledger.objects.unmoved() == []
        assert not await here.ledger.objects.moved(job.job_id, "billing", FIRST)


async def test_a_copy_for_a_first_attempt_is_known_and_stays_the_one_of_its_retry(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        objects = here.ledger.objects
        assert await objects.kept(job.job_id, "billing", FIRST) == FIRST
        assert await objects.kept(job.job_id, "billing", SECOND) == FIRST  # who made the second removes it
        assert not await objects.moved(job.job_id, "billing", SECOND)
        assert await objects.unmoved() == []
        assert (await row_of(database, job.job_id))["object_key"] == "first"


async def test_a_copy_for_a_first_attempt_is_what_its_retry_links_at_once(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        assert await here.ledger.objects.kept(job.job_id, "billing", FIRST) == FIRST
        (part,) = await here.ledger.parts(job.job_id)
        assert (part.stored, part.copy, part.body) == (None, FIRST, b"done")
        await here.ledger.finish(make_failure(message))
        assert await here.ledger.objects.unmoved() == []
        (retry,) = await claimed(here)
        assert (retry.stored, retry.body) == (FIRST, b"done")


async def test_what_became_of_an_upload_url_is_remembered_and_the_url_forgotten(database: str) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here, upload_url="https://up.example/put?signed")
        handed = Handed(url="https://up.example/put", etag="e").dump()
        await here.ledger.objects.uploaded(job.job_id, handed)
        await here.ledger.objects.uploaded(job.job_id, Handed(failure="upload_expired").dump())  # it came later
        await here.ledger.finish(make_failure(message))
        (retry,) = await claimed(here)
        assert (retry.uploaded, retry.upload_url) == (handed, None)


def old_id(ledger: Ledger) -> UUID:
    """An id of a job of yesterday."""
    return UUID(int=ledger.new_job_id().int - (int(20 * HOUR * 1000) << 80))


async def older(dsn: str, seconds: float) -> None:
    async with connection(dsn) as direct:
        by = "make_interval(secs => $1::float8)"
        await direct.execute(f"UPDATE stored_object SET created_at = created_at - {by}", seconds)
        await direct.execute(f"UPDATE oas_webhook_retry SET finished_at = finished_at - {by}", seconds)
        await direct.execute(f"UPDATE delivery SET finished_at = finished_at - {by}", seconds)


async def test_objects_are_over_when_they_are_old_and_no_open_work_needs_them(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        open_job = make_job(here.ledger, "billing", "risk", body=b"", stored=FIRST, job_id=old_id(here.ledger))
        await stored(here.ledger, open_job)
        pending = await retrying(here, job_id=old_id(here.ledger))
        await here.ledger.objects.moved(pending.job_id, "billing", SECOND)
        await older(database, 14 * HOUR)
        over = here.ledger.objects.over
        assert await over(RETENTION) == []
        for service in ("billing", "risk"):
            await here.ledger.record(make_result(open_job.job_id, service))
        assert await over(RETENTION) == []  # being delivered
        for message in here.taker.messages[-2:]:
            await here.ledger.finish(make_end(message))
        assert await over(RETENTION) == []  # a link may have been sent just now
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.FAILED))
        await older(database, 14 * HOUR)
        (first,) = await over(RETENTION, 1)
        (second,) = await there.ledger.objects.over(RETENTION)
        assert {first.stored, second.stored} == {FIRST, SECOND}
        assert await over(RETENTION) == []  # somebody is at it
        async with connection(database) as direct:
            await direct.execute("UPDATE stored_object SET doomed_at = now() - interval '11 minutes'")
        assert len(await over(RETENTION)) == 2  # he died


async def test_objects_that_were_removed_are_forgotten_by_ended_retries_too(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here, job_id=old_id(here.ledger))
        await here.ledger.objects.moved(job.job_id, "billing", FIRST)
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, verdict=RetryVerdict.FAILED))
        await older(database, 14 * HOUR)
        known = await here.ledger.objects.over(RETENTION)
        assert known == [KnownObject(job.job_id, "billing", FIRST)]
        assert await here.ledger.objects.deleted([KnownObject(job.job_id, "billing", SECOND)]) == 0
        assert await here.ledger.objects.deleted(known) == 1
        assert await here.ledger.objects.deleted(known) == 0
        assert await here.ledger.objects.deleted([]) == 0
        row = await row_of(database, job.job_id)
        assert (row["object"], row["bucket"], row["object_key"]) == (None, None, None)


async def test_an_object_that_the_store_refused_to_remove_comes_after_all_others(database: str) -> None:
    async with replica(database) as here:
        objects, job_id = here.ledger.objects, old_id(here.ledger)
        job = await stored(here.ledger, make_job(here.ledger, "billing", "risk", job_id=job_id, body=b"", stored=FIRST))
        await here.ledger.record(make_result(job.job_id, "billing", body=b"", stored=SECOND))
        await here.ledger.record(make_result(job.job_id, "risk"))
        for message in here.taker.messages:
            await here.ledger.finish(make_end(message))
        await older(database, 14 * HOUR)
        (refused,) = await objects.over(RETENTION, 1)
        await objects.put_off([refused])
        (other,) = await objects.over(RETENTION, 1)
        assert {refused.stored, other.stored} == {FIRST, SECOND}
        async with connection(database) as direct:
            await direct.execute("UPDATE stored_object SET doomed_at = doomed_at - interval '11 minutes'")
            assert await objects.over(RETENTION) == [other]
            await direct.execute("UPDATE stored_object SET doomed_at = doomed_at - interval '6 hours'")
        assert refused in await objects.over(RETENTION)
        await objects.put_off([])
