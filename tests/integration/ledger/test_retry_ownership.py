"""Retries of the dead, of the lost and of the crashed, and the days that they keep."""

from datetime import UTC, datetime
from uuid import UUID

from sidecar.model.retry import RedriveFilter
from tests.integration.ledger.kit import ENDPOINT, connection, replica
from tests.integration.ledger.proxy import lossy_way
from tests.integration.ledger.retrying import (
    BY,
    claimed,
    delivering,
    make_failure,
    make_retry_end,
    retrying,
    row_of,
)

DAY = 86_400.0


def day_of(job_id: UUID) -> str:
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC).strftime("%Y%m%d")


async def test_the_retries_of_the_dead_are_taken_over(database: str) -> None:
    async with replica(database) as dead, replica(database) as here:
        job = await retrying(dead)
        (late,) = await claimed(dead)
        assert await here.ledger.take_over() == 0
        await dead.ledger._life.leave()
        assert await here.ledger.take_over() == 1
        (retry,) = await claimed(here)
        assert retry.claim == 2
        assert await dead.ledger.finish_retry(make_retry_end(late)) is None
        assert (await row_of(database, job.job_id))["takeovers"] == 1


async def test_a_retry_that_crashes_four_workers_fails_with_its_delivery(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        for crash in range(1, 5):
            async with replica(database) as dead:
                await claimed(dead)
                await dead.ledger._life.leave()
                await here.ledger.take_over()
            row = await row_of(database, job.job_id)
            assert row["takeovers"] == crash
        assert (row["state"], row["reason"]) == ("failed", "crashed_workers")
        assert (row["delivery"], row["why"]) == ("failed", "crashed_workers")
        assert await here.ledger.claim_retries({ENDPOINT: 1}) == []


async def test_an_attempt_that_ends_takes_suspicion_from_a_retry(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        async with replica(database) as dead:
            await claimed(dead)
            await dead.ledger._life.leave()
            await here.ledger.take_over()
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry))
        assert (await row_of(database, job.job_id))["takeovers"] == 0


async def test_the_dead_claim_nothing(database: str) -> None:
    async with replica(database) as dead, replica(database) as here:
        await retrying(dead)
        await dead.ledger._life.leave()
        assert await dead.ledger.claim_retries({ENDPOINT: 1}) == []
        assert len(await here.ledger.claim_retries({ENDPOINT: 1})) == 1


async def test_a_claim_whose_answer_was_lost_is_found_and_given_back(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await claimed(here)
        here.ledger.registry.drop("retry", job.job_id, "billing", 1)
        holds = here.ledger.registry.holds
        rows = [row for row in await here.ledger.held_too_long(0.0) if row.table == "retry"]
        assert [(row.job_id, row.claim) for row in rows if not holds("retry", row.job_id, row.service, row.claim)] == [
            (job.job_id, 1)
        ]
        assert await here.ledger.give_back(rows) == 1
        assert await here.ledger.give_back(rows) == 0
        (retry,) = await claimed(here)
        assert retry.claim == 2


async def test_a_beginning_whose_answer_was_lost_is_repeated_in_vain_and_found_when_due(database: str) -> None:
    async with lossy_way(database) as way, replica(way.dsn) as here, replica(database) as there:
        job, (first, message) = await delivering(here, "risk", "billing")
        await here.ledger.finish(make_failure(first))  # so that the statement is prepared
        way.lose_next_answer()
        assert not await here.ledger.finish(make_failure(message))  # committed before; repeating finds nothing to do
        assert way.lost.is_set()
        assert (await row_of(database, job.job_id))["delivery"] == "retrying"
        assert len(await there.ledger.claim_retries({ENDPOINT: 5})) == 2


async def test_an_end_whose_answer_was_lost_counts_once(database: str) -> None:
    async with lossy_way(database) as way, replica(way.dsn) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, delay=0.0))  # so that the statement is prepared
        (retry,) = await claimed(here)
        way.lose_next_answer()
        assert await here.ledger.finish_retry(make_retry_end(retry)) is None
        row = await row_of(database, job.job_id)
        assert way.lost.is_set()
        assert (row["retry_count"], row["attempts"], len(row["history"])) == (2, 3, 3)


async def test_an_orderly_end_gives_retries_back_at_once(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        job = await retrying(here)
        await claimed(here)
        assert await here.ledger.release_all() == 1
        (retry,) = await claimed(there)
        assert (retry.job_id, (await row_of(database, job.job_id))["takeovers"]) == (job.job_id, 0)


async def test_a_day_is_kept_for_as_long_as_it_has_pending_retries(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        (retry,) = await claimed(here)
        today = [part for part in await here.ledger._partitions._list() if part.age == 0 and part.parent == "delivery"]
        assert [part.name for part in today] == [f"delivery_p{day_of(job.job_id)}"]
        assert await here.ledger._partitions._any_open(today)
        await here.ledger.finish_retry(make_retry_end(retry, budget=0.0))
        assert not await here.ledger._partitions._any_open(today)
        assert await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=9 * DAY) == 1
        assert await here.ledger._partitions._any_open(today)


async def test_finished_retries_are_removed_after_their_retention(database: str) -> None:
    async with replica(database) as here:
        old, young, pending = [await retrying(here) for _ in range(3)]
        for retry in await claimed(here, 3):
            if retry.job_id != pending.job_id:
                await here.ledger.finish_retry(make_retry_end(retry, budget=0.0))
        async with connection(database) as direct:
            await direct.execute(
                "UPDATE oas_webhook_retry SET finished_at = now() - interval '3 days' WHERE job_id = $1", old.job_id
            )
        assert (await here.ledger.prune(2 * DAY)).retries == 1
        async with connection(database) as direct:
            left = {row["job_id"] for row in await direct.fetch("SELECT job_id FROM oas_webhook_retry")}
        assert left == {young.job_id, pending.job_id}
