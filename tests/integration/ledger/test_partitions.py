"""Days come and go, and no open row goes with them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from sidecar.ledger.clock import floor_id
from sidecar.ledger.partitions import PARENTS
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, NotStored
from sidecar.model.job import NewJob, Stored
from sidecar.model.outcome import Verdict
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    Replica,
    connection,
    make_end,
    make_job,
    make_result,
    replica,
    stored,
)

DAY = 86_400.0


def midnight(days: int) -> float:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=days)).timestamp()


async def days_of(direct: "asyncpg.Connection[asyncpg.Record]", parent: str) -> list[int]:
    rows = await direct.fetch(
        "SELECT right(inhrelid::regclass::text, 8) AS day FROM pg_inherits WHERE inhparent = $1::regclass", parent
    )
    today = datetime.now(UTC).date()
    return sorted((datetime.strptime(row["day"], "%Y%m%d").replace(tzinfo=UTC).date() - today).days for row in rows)


async def add_old_day(direct: "asyncpg.Connection[asyncpg.Record]", offset: int) -> None:
    for parent in PARENTS:
        await direct.execute(
            "SELECT ledger_add_partition($1, (now() AT TIME ZONE 'UTC')::date + $2::int)", parent, offset
        )


async def an_old_job(here: Replica, days: int) -> NewJob:
    return await stored(here.ledger, make_job(here.ledger, job_id=UUID(int=floor_id(midnight(days)).int + 77)))


async def test_partitions_are_made_ahead_and_only_once(database: str) -> None:
    async with replica(database) as here, replica(database) as there, connection(database) as direct:
        assert await days_of(direct, "job") == [-1, 0, 1]
        made = await asyncio.gather(here.ledger.ensure_partitions(4), there.ledger.ensure_partitions(4))
        assert sum(made) == 3 * len(PARENTS)
        assert await here.ledger.ensure_partitions(4) == 0
        for parent in PARENTS:
            assert await days_of(direct, parent) == [-1, 0, 1, 2, 3, 4]


async def test_a_partition_vacuums_early_as_its_settings_say(database: str) -> None:
    async with replica(database), connection(database) as direct:
        rows = await direct.fetch("SELECT reloptions FROM pg_class WHERE relname ~ '^delivery_p[0-9]{8}$'")
        assert len(rows) == 3
        assert all("autovacuum_vacuum_scale_factor=0.01" in row["reloptions"] for row in rows)


async def test_jobs_on_both_sides_of_midnight_share_a_batch(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        before = make_job(ledger, job_id=UUID(int=floor_id(midnight(0)).int - 1))
        after = make_job(ledger, job_id=floor_id(midnight(0)))
        await asyncio.gather(stored(ledger, before), stored(ledger, after))
        answers = await asyncio.gather(*(ledger.record(make_result(job.job_id)) for job in (after, before)))
        assert {answer.verdict for answer in answers} == {Verdict.WON}
        assert all(await asyncio.gather(*(ledger.finish(make_end(message)) for message in here.taker.messages)))


async def test_without_a_partition_no_caller_is_told_that_it_was_his_fault(database: str) -> None:
    async with replica(database) as here:
        with pytest.raises(NotStored, match="no partition"):
            await here.ledger.accept(make_job(here.ledger, job_id=floor_id(midnight(2))))


async def test_who_meets_a_missing_day_makes_it_once_for_all(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        for parent in PARENTS:
            await direct.execute(f"DROP TABLE {parent}_p{datetime.now(UTC):%Y%m%d}")
        jobs = [make_job(here.ledger) for _ in range(20)]
        before = here.ledger.stats.statements["add_partition"]
        answers = await asyncio.gather(*(here.ledger.accept(job) for job in jobs))
        assert all(isinstance(answer, Stored) for answer in answers)
        assert here.ledger.stats.statements["add_partition"] - before == 3 * len(PARENTS)
        assert await days_of(direct, "job") == [-1, 0, 1]


async def test_a_day_that_is_not_whole_takes_no_job(database: str) -> None:
    async with replica(database) as here, connection(database) as direct, direct.transaction():
        await direct.execute("LOCK TABLE delivery IN SHARE MODE")  # as a dump of the schema, or a VACUUM FULL would
        with pytest.raises(LedgerUnavailable):
            await here.ledger.ensure_partitions(2)
        async with connection(database) as other:
            assert await days_of(other, "job") == [-1, 0, 1]
        assert here.ledger.days_ahead() < 2


async def test_days_ahead_count_the_rest_of_today(database: str) -> None:
    async with replica(database) as here:
        assert 1 < here.ledger.days_ahead() <= 2
        await here.ledger.ensure_partitions(4)
        await here.ledger.ensure_partitions(1)
        assert 4 < here.ledger.days_ahead() <= 5


async def test_an_outcome_of_a_day_that_is_gone_is_of_nobody(database: str) -> None:
    async with replica(database) as here:
        for job_id in (floor_id(midnight(-99)), UUID(int=0)):
            assert (await here.ledger.record(make_result(job_id))).verdict is Verdict.UNKNOWN
        with pytest.raises(LedgerRejected):
            await here.ledger.record(make_result(UUID(int=(1 << 128) - 1)))
        with pytest.raises(NotStored):  # that day may still come
            await here.ledger.record(make_result(floor_id(midnight(2))))
        assert here.ledger.stats.rejected["record"] == 1


async def test_open_work_from_a_time_when_the_clock_was_ahead_is_found(database: str) -> None:
    async with replica(database) as here:
        await here.ledger.ensure_partitions(3)
        job = await stored(here.ledger, make_job(here.ledger, job_id=floor_id(midnight(2)), owned=False))
        (claimed,) = await here.ledger.claim_invocations({SERVICE_KEY: 5})
        assert claimed.job_id == job.job_id


async def test_jobs_of_two_days_go_through_everything_side_by_side(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        days = [floor_id(midnight(day) + 40_000 + second) for second in range(20) for day in (0, 1)]
        jobs = [make_job(ledger, job_id=job_id) for job_id in days]
        await asyncio.gather(*(ledger.accept(job) for job in jobs))
        answers = await asyncio.gather(*(ledger.record(make_result(job.job_id)) for job in jobs))
        assert {answer.verdict for answer in answers} == {Verdict.WON}
        again = await asyncio.gather(*(ledger.record(make_result(job.job_id)) for job in jobs))
        assert {answer.verdict for answer in again} == {Verdict.SAME}
        assert all(await asyncio.gather(*(ledger.finish(make_end(message)) for message in here.taker.messages)))
        assert len(here.taker.messages) == len(jobs)


async def test_a_day_is_dropped_when_it_is_old_and_over(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await add_old_day(direct, -9)
        await add_old_day(direct, -8)
        job = await an_old_job(here, -9)
        await here.ledger.record(make_result(job.job_id))
        await here.ledger.finish(make_end(here.taker.messages[0]))
        pruned = await here.ledger.prune(8 * DAY)
        assert [name[:-10] for name in pruned.partitions] == ["invocation", "delivery", "payload", "job"]
        assert await days_of(direct, "job") == [-8, -1, 0, 1]
        assert await here.ledger.job(job.job_id) is None


async def test_pruning_goes_on_until_nothing_is_over(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await direct.execute(
            "INSERT INTO idempotency (scope, key, job_id, fingerprint, expires_at)"
            " SELECT 's', n::text, gen_random_uuid(), '', now() - interval '1 hour' FROM generate_series(1, 2500) n"
        )
        assert (await here.ledger.prune(DAY)).idempotency_keys == 2500
        assert await direct.fetchval("SELECT count(*) FROM idempotency") == 0


@pytest.mark.parametrize("stage", ["invocation", "delivery"])
async def test_a_day_with_an_open_row_stays(database: str, stage: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await add_old_day(direct, -9)
        job = await an_old_job(here, -9)
        if stage == "delivery":
            await here.ledger.record(make_result(job.job_id))
        assert (await here.ledger.prune(DAY)).partitions == ()
        assert await days_of(direct, stage) == [-9, -1, 0, 1]
        found = await here.ledger.held_too_long(0.0)
        assert [(row.table, row.job_id) for row in found] == [(stage, job.job_id)]


async def take_off(direct: "asyncpg.Connection[asyncpg.Record]", parent: str, offset: int) -> None:
    """Do the first half of a removal."""
    day = await direct.fetchval("SELECT to_char((now() AT TIME ZONE 'UTC')::date + $1::int, 'YYYYMMDD')", offset)
    await direct.execute(f"ALTER TABLE {parent} DETACH PARTITION {parent}_p{day} CONCURRENTLY")


async def test_a_removal_that_was_interrupted_is_completed(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await add_old_day(direct, -9)
        await take_off(direct, "invocation", -9)
        assert len((await here.ledger.prune(DAY)).partitions) == 4
        assert await days_of(direct, "job") == [-1, 0, 1]


async def test_a_day_that_was_taken_off_with_an_open_row_is_put_back(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await add_old_day(direct, -9)
        job = await an_old_job(here, -9)
        await take_off(direct, "invocation", -9)
        assert (await here.ledger.prune(DAY)).partitions == ()
        assert await days_of(direct, "invocation") == [-9, -1, 0, 1]
        assert (await here.ledger.record(make_result(job.job_id))).verdict is Verdict.WON


async def test_one_replica_prunes_at_a_time(database: str) -> None:
    async with replica(database) as here, replica(database) as there, connection(database) as direct:
        await add_old_day(direct, -9)
        await direct.execute("INSERT INTO lease VALUES ('prune', $1, now() + interval '1 hour')", there.ledger.worker)
        assert (await here.ledger.prune(DAY)).partitions == ()
        assert len((await there.ledger.prune(DAY)).partitions) == 4


async def test_pruning_forgets_expired_keys_and_the_long_dead(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await direct.execute(
            "INSERT INTO idempotency SELECT 's', n::text, gen_random_uuid(), '', now() + (n - 3) * interval '1 day'"
            " FROM generate_series(1, 5) n"
        )
        await direct.execute(
            "INSERT INTO worker (host, pid, dead_at) SELECT 'h', n, now() - n * interval '1 day'"
            " FROM generate_series(0, 3) n"
        )
        pruned = await here.ledger.prune(30 * DAY)
        assert (pruned.idempotency_keys, pruned.workers) == (3, 3)


async def test_accepts_go_on_while_days_come_and_go(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        for offset in range(-14, -9):
            await add_old_day(direct, offset)
        reader = direct.transaction()
        await reader.start()
        await direct.fetch("SELECT count(*) FROM invocation WHERE service = 'nobody'")
        duties = asyncio.ensure_future(here.ledger.ensure_partitions(3))
        while not duties.done():
            await stored(here.ledger, make_job(here.ledger))
        await reader.rollback()
        assert await duties == 8
        assert len((await here.ledger.prune(DAY)).partitions) == 20
        assert len(await here.ledger.claim_invocations({SERVICE_KEY: 1})) == 0
        assert (await here.ledger.endpoints_with_work()).names != (ENDPOINT,)
