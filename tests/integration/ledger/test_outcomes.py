"""Exactly one outcome, and exactly one message for it, whoever races whom."""

import asyncio
import random
from dataclasses import replace

import pytest

from sidecar.model.delivery import DeliveryState
from sidecar.model.outcome import OutcomeKind, ResultStatus, Verdict
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
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


async def test_each_of_600_aggregates_is_made_once_whoever_records_the_last_part(database: str) -> None:
    services = ("a", "b", "c")
    async with replica(database) as one, replica(database) as two:
        jobs = [make_job(one.ledger, *services, gather=Gather.ALL) for _ in range(600)]
        await asyncio.gather(*(one.ledger.accept(job) for job in jobs))
        work = [make_result(job.job_id, service) for job in jobs for service in services]
        random.Random(7).shuffle(work)
        sides = (one, two)
        recorded = await asyncio.gather(*(sides[i % 2].ledger.record(item) for i, item in enumerate(work)))
        assert {answer.verdict for answer in recorded} == {Verdict.WON}
        messages = one.taker.messages + two.taker.messages
        assert sorted(m.job_id for m in messages) == sorted(job.job_id for job in jobs)
        assert {(m.service, m.status) for m in messages} == {("", ResultStatus.SUCCEEDED)}


async def test_of_a_silent_502_and_a_callback_exactly_one_happens(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        jobs = [await stored(here.ledger, make_job(here.ledger)) for _ in range(200)]
        silent = asyncio.gather(*(here.ledger.refuse_all(job.job_id, services=1) for job in jobs))
        callbacks = asyncio.gather(*(there.ledger.record(make_result(job.job_id)) for job in jobs))
        refused, recorded = await silent, await callbacks
        for was_refused, answer in zip(refused, recorded, strict=True):
            assert was_refused == (answer.verdict is Verdict.OTHER)
            assert was_refused != (answer.verdict is Verdict.WON)
        assert len(there.taker.messages) == refused.count(False)


async def test_no_502_when_one_service_took_the_call_or_may_have(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        for over in ({"acknowledged": True, "retry_in": None}, {"unsure": True}):
            here.taker.calls.clear()
            job = await stored(ledger, make_job(ledger, "billing", "risk"))
            await ledger.release(make_release(here.taker.calls[0], **over))
            assert not await ledger.refuse_all(job.job_id, services=2)
            view = await ledger.job(job.job_id)
            assert view is not None
            assert view.state == "open"


async def test_no_502_when_a_service_is_missing_from_the_count(database: str) -> None:
    async with replica(database) as here:
        job = await stored(here.ledger, make_job(here.ledger, "billing", "risk"))
        assert not await here.ledger.refuse_all(job.job_id, services=1)


async def claimed_again(here: Replica) -> None:
    """Lose the one invocation and claim it anew, under the same worker."""
    (call,) = here.taker.calls
    assert await here.ledger.release(make_release(call))
    here.taker.calls += await here.ledger.claim_invocations({SERVICE_KEY: 1})


async def test_a_stale_task_of_the_same_worker_changes_nothing(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        await stored(ledger, make_job(ledger))
        await claimed_again(here)
        stale, fresh = here.taker.calls
        assert (stale.worker, stale.claim, fresh.worker, fresh.claim) == (ledger.worker, 1, ledger.worker, 2)
        assert not await ledger.release(make_release(stale))
        assert (await ledger.record(make_refusal(stale))).verdict is Verdict.FENCED
        assert ledger.registry.holds("invocation", fresh.job_id, "billing", 2)
        assert (await ledger.record(make_refusal(fresh))).verdict is Verdict.WON


async def test_a_stale_attempt_at_the_webhook_changes_nothing(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger))
        await ledger.record(make_result(job.job_id))
        (stale,) = here.taker.messages
        assert await ledger.finish(make_end(stale, state=DeliveryState.OPEN, status=503))
        (fresh,) = await ledger.claim_deliveries({ENDPOINT: 1})
        assert not await ledger.finish(make_end(stale))
        assert not await ledger.finish(make_end(replace(fresh, worker=fresh.worker + 1)))
        assert await ledger.finish(make_end(fresh))


async def test_a_refusal_never_ends_an_unsure_invocation(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger))
        await ledger.release(make_release(here.taker.calls[0], unsure=True, status=504, reason="gateway_fault"))
        (call,) = await ledger.claim_invocations({SERVICE_KEY: 1})
        assert call.unsure
        assert (await ledger.record(make_refusal(call))).verdict is Verdict.FENCED
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON
        assert [message.body for message in here.taker.messages] == [b"done"]


async def test_a_callback_before_the_acknowledgement_stands(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger))
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON
        assert not await ledger.release(make_release(here.taker.calls[0], acknowledged=True, retry_in=None))
        view = await ledger.job(job.job_id)
        assert view is not None
        assert (view.services[0].status, view.services[0].attempts) == ("succeeded", 1)
        assert not ledger.registry.holds("invocation", job.job_id, "billing", 1)


async def test_the_same_callback_many_times_at_once_makes_one_message(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        job = await stored(here.ledger, make_job(here.ledger))
        answers = await asyncio.gather(
            *(side.ledger.record(make_result(job.job_id)) for side in (here, there) for _ in range(20))
        )
        verdicts = [answer.verdict for answer in answers]
        assert (verdicts.count(Verdict.WON), verdicts.count(Verdict.SAME)) == (1, 39)
        assert len(here.taker.messages + there.taker.messages) == 1


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [("sss", ResultStatus.SUCCEEDED), ("sfs", ResultStatus.PARTIAL), ("fff", ResultStatus.FAILED)],
)
async def test_an_aggregate_tells_how_its_parts_went(database: str, statuses: str, expected: ResultStatus) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "a", "b", "c", gather=Gather.ALL))
        for service, letter in zip("abc", statuses, strict=True):
            status = ResultStatus.SUCCEEDED if letter == "s" else ResultStatus.FAILED
            await ledger.record(make_result(job.job_id, service, status=status))
        assert [message.status for message in here.taker.messages] == [expected]


async def test_what_is_past_its_deadline_is_told_and_no_longer_begun(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        late = await stored(ledger, make_job(ledger, deadline=0.0, owned=False))
        begun = await stored(ledger, make_job(ledger, deadline=0.0))
        await stored(ledger, make_job(ledger))
        assert await ledger.claim_invocations({SERVICE_KEY: 5}) == []
        rows = await ledger.expired(10)
        assert [(row.job_id, row.started) for row in rows] == [(late.job_id, False), (begun.job_id, True)]
        for row in rows:
            outcome = make_result(row.job_id, row.service, outcome=OutcomeKind.DEADLINE, status=ResultStatus.FAILED)
            assert (await ledger.record(outcome)).verdict is Verdict.WON
        assert await ledger.expired(10) == []
        assert not await ledger.release(make_release(here.taker.calls[0]))


async def test_deliveries_of_a_full_endpoint_wait_in_the_ledger(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        ledger = here.ledger
        here.taker.full = [ENDPOINT]
        job = await stored(ledger, make_job(ledger))
        await ledger.record(make_result(job.job_id))
        assert here.taker.messages == []
        assert await direct.fetchval("SELECT worker IS NULL AND state = 'open' FROM delivery")
