"""Storing jobs: keys, batches, poison, and what happens to those who wait."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from sidecar.ledger import group_commit
from sidecar.model.errors import LedgerRejected, LedgerUnavailable
from sidecar.model.job import KeyTaken, Stored
from tests.integration.ledger.kit import SERVICE_KEY, make_job, make_key, make_result, replica, stored


async def test_a_repeated_key_finds_the_first_job(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        first = await stored(ledger, make_job(ledger, idempotency=make_key()))
        again = await ledger.accept(make_job(ledger, idempotency=make_key(fingerprint=b"g")))
        assert again == KeyTaken(first.job_id, b"f")
        await stored(ledger, make_job(ledger, idempotency=make_key(scope="other")))
        assert len(here.taker.calls) == 2


async def test_of_requests_with_one_key_at_the_same_time_one_is_stored(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        jobs = [make_job(side.ledger, idempotency=make_key()) for side in (here, there) * 10]
        answers = await asyncio.gather(
            *(side.ledger.accept(job) for side, job in zip((here, there) * 10, jobs, strict=True))
        )
        (winner,) = [job.job_id for job, answer in zip(jobs, answers, strict=True) if isinstance(answer, Stored)]
        assert {a.job_id for a in answers if isinstance(a, KeyTaken)} == {winner}
        assert [call.job_id for call in here.taker.calls + there.taker.calls] == [winner]


async def test_an_expired_key_is_taken_over(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        await stored(ledger, make_job(ledger, idempotency=make_key(ttl=-1.0)))
        second = await stored(ledger, make_job(ledger, idempotency=make_key()))
        assert await ledger.accept(make_job(ledger, idempotency=make_key())) == KeyTaken(second.job_id, b"f")


async def test_the_key_of_a_job_that_everybody_refused_is_free_again(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, idempotency=make_key()))
        assert await ledger.refuse_all(job.job_id, services=1)
        await stored(ledger, make_job(ledger, idempotency=make_key()))


@pytest.mark.parametrize("poison", ["nul", "surrogate", "day"])
async def test_one_poison_row_fails_alone_beside_63_good_ones(database: str, poison: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        jobs = [make_job(ledger) for _ in range(64)]
        bad = {
            "nul": replace(jobs[17], correlation_id="a\0b"),
            "surrogate": replace(jobs[17], correlation_id="a\udcffb"),
            "day": replace(jobs[17], job_id=UUID(int=1 << 64)),
        }[poison]
        jobs[17] = bad
        answers = await asyncio.gather(*(ledger.accept(job) for job in jobs), return_exceptions=True)
        assert isinstance(answers[17], LedgerUnavailable if poison == "day" else LedgerRejected)
        assert sum(isinstance(answer, Stored) for answer in answers) == 63
        assert {call.job_id for call in here.taker.calls} == {job.job_id for job in jobs} - {bad.job_id}
        assert ledger.stats.rejected["accept"] == int(poison != "day")  # of a missing day the row is not to blame


async def test_a_poison_outcome_fails_alone(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        jobs = [await stored(ledger, make_job(ledger)) for _ in range(8)]
        outcomes = [make_result(job.job_id) for job in jobs]
        outcomes[3] = replace(outcomes[3], reason="a\0b")
        answers = await asyncio.gather(*(ledger.record(outcome) for outcome in outcomes), return_exceptions=True)
        assert isinstance(answers[3], LedgerRejected)
        assert len(here.taker.messages) == 7


async def test_writes_that_come_during_a_flush_go_together(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        await asyncio.gather(*(ledger.accept(make_job(ledger)) for _ in range(600)))
        assert ledger.stats.batches["accept"] <= 5
        assert ledger.stats.rows["accept"] == 600


async def test_a_batch_is_bounded_in_bytes_and_large_rows_have_a_lane_of_their_own(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        middle = bytes(group_commit.LARGE)
        await asyncio.gather(*(ledger.accept(make_job(ledger, body=middle)) for _ in range(20)))
        assert ledger.stats.batches["accept"] >= 2
        large = make_job(ledger, body=bytes(3 * group_commit.MAX_BYTES))
        small = [make_job(ledger) for _ in range(5)]
        await asyncio.gather(*(ledger.accept(job) for job in (large, *small)))
        assert {len(call.body) for call in here.taker.calls} >= {len(large.body), len(middle)}


async def test_a_caller_who_goes_away_does_not_take_the_job_along(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = make_job(ledger)
        waiting = asyncio.ensure_future(ledger.accept(job))
        await asyncio.sleep(0)  # let it enter the batch
        waiting.cancel()
        await here.taker.until(lambda taker: [call.job_id for call in taker.calls] == [job.job_id])
        assert await ledger.job(job.job_id) is not None


async def test_work_that_cannot_be_handed_over_is_given_back_by_reconciling(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context["exception"]))
        here.taker.broken = True
        job = await stored(ledger, make_job(ledger))
        assert len(faults) == ledger.stats.handover_faults == 1
        lost = [
            r
            for r in await ledger.held_too_long(0.0)
            if not ledger.registry.holds(r.table, r.job_id, r.service, r.claim)
        ]
        assert [row.job_id for row in lost] == [job.job_id]
        assert await ledger.give_back(lost) == 1
        assert await ledger.give_back(lost) == 0
        (call,) = await ledger.claim_invocations({SERVICE_KEY: 1})
        assert (call.claim, call.unsure) == (2, True)
