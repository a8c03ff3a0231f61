"""Callbacks that arrive piece by piece: their deadlines wait, and what stands in their place is told."""

from datetime import datetime
from uuid import uuid4

from sidecar.model.outcome import OutcomeKind, Recorded, ResultStatus, Verdict, stored_digest
from tests.integration.ledger.kit import connection, make_job, make_result, replica, stored
from tests.integration.ledger.retrying import make_object


async def test_an_arriving_callback_holds_its_deadline_off_for_a_while(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        job = await stored(here.ledger, make_job(here.ledger, deadline=0.0))
        assert isinstance(await here.ledger.receiving(job.job_id, "billing", seconds=60.0), datetime)
        assert await here.ledger.expired() == []
        await direct.execute("UPDATE invocation SET receiving_until = now()")
        assert [row.job_id for row in await here.ledger.expired()] == [job.job_id]


async def test_a_callback_that_breaks_off_lets_its_own_deadline_run_and_not_that_of_its_repetition(
    database: str,
) -> None:
    async with replica(database) as here, replica(database) as there:
        job = await stored(here.ledger, make_job(here.ledger, deadline=0.0))
        first = await here.ledger.receiving(job.job_id, "billing", seconds=60.0)
        second = await there.ledger.receiving(job.job_id, "billing", seconds=60.0)
        assert isinstance(first, datetime)
        assert isinstance(second, datetime)
        await here.ledger.receiving_ended(job.job_id, "billing", until=first)
        assert await here.ledger.expired() == []
        await there.ledger.receiving_ended(job.job_id, "billing", until=second)
        assert [row.job_id for row in await here.ledger.expired()] == [job.job_id]


async def test_a_large_callback_hears_what_stands_before_it_is_read(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "late"))
        await here.ledger.record(make_result(job.job_id, body=b"", stored=make_object()))
        late = make_result(job.job_id, "late", outcome=OutcomeKind.DEADLINE, status=ResultStatus.FAILED)
        await here.ledger.record(late)
        receiving = here.ledger.receiving
        standing = await receiving(job.job_id, "billing", seconds=60.0)
        assert isinstance(standing, Recorded)
        assert (standing.verdict, standing.standing) == (Verdict.OTHER, "result")
        assert standing.digest == stored_digest("succeeded", b"s" * 32)
        expired = await receiving(job.job_id, "late", seconds=60.0)
        assert isinstance(expired, Recorded)
        assert expired.verdict is Verdict.EXPIRED
        unknown = await receiving(uuid4(), "billing", seconds=60.0)
        assert isinstance(unknown, Recorded)
        assert unknown.verdict is Verdict.UNKNOWN


async def test_what_stands_is_told_without_touching_a_deadline(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "open", deadline=0.0))
        await here.ledger.receiving(job.job_id, "open", seconds=60.0)
        assert await here.ledger.standing(job.job_id, "open") is None
        assert [row.service for row in await here.ledger.expired()] == ["billing"]
        await here.ledger.record(make_result(job.job_id, body=b"", stored=make_object()))
        standing = await here.ledger.standing(job.job_id, "billing")
        assert standing is not None
        assert (standing.verdict, standing.digest) == (Verdict.OTHER, stored_digest("succeeded", b"s" * 32))
        for unknown in (here.ledger.new_job_id(), uuid4()):
            assert await here.ledger.standing(unknown, "billing") == Recorded(Verdict.UNKNOWN)
