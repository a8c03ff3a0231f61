"""Idempotency keys: one job for one request, however often it is sent, and never a promise that is taken back."""

import asyncio

import pytest

from sidecar.accept.identity import Caller
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, ProblemError
from tests.unit.accept.bench import BILLING, Bench
from tests.unit.builders import make_job_view


async def test_the_same_request_again_gets_the_same_job() -> None:
    bench = Bench()
    first = await bench.accept(BILLING, wait=0, idempotency_key="k")
    await bench.settled(first)
    again = await bench.accept(BILLING, wait=3600, idempotency_key="k")
    assert again.answer.headers["idempotency-replayed"] == "true"
    assert again.answer.headers["x-job-id"] == first.answer.headers["x-job-id"]
    assert len(bench.ledger.jobs) == 1
    await bench.settled(again)


async def test_another_request_with_the_same_key_is_refused() -> None:
    bench = Bench()
    await bench.settled(await bench.accept(BILLING, wait=0, idempotency_key="k"))
    with pytest.raises(ProblemError) as caught:
        await bench.accept(BILLING, body=b"other", idempotency_key="k")
    assert (caught.value.problem.status, caught.value.problem.code) == (422, "idempotency_key_reused")
    assert bench.holds.held == set()


async def test_keys_of_other_applications_do_not_meet() -> None:
    bench = Bench()
    for application in ("shop", "desk"):
        caller = Caller(application=application)
        await bench.settled(await bench.accept(BILLING, wait=0, idempotency_key="k", caller=caller))
    assert len(bench.ledger.jobs) == 2


async def test_a_key_whose_job_is_gone_says_so() -> None:
    bench = Bench()
    await bench.settled(await bench.accept(BILLING, wait=0, idempotency_key="k"))
    bench.ledger.views.clear()
    with pytest.raises(ProblemError) as caught:
        await bench.accept(BILLING, idempotency_key="k")
    assert caught.value.problem.status == 422


async def in_progress(bench: Bench) -> None:
    with pytest.raises(ProblemError) as caught:
        await bench.accept(BILLING, idempotency_key="k")
    problem = caught.value.problem
    assert (problem.status, problem.code) == (409, "idempotency_key_in_progress")
    assert problem.headers == {"retry-after": "1"}


async def test_a_key_is_in_progress_while_its_first_request_is_stored() -> None:
    bench = Bench()
    bench.ledger.gate = asyncio.Event()
    first = asyncio.create_task(bench.accept(BILLING, wait=0, idempotency_key="k"))
    await asyncio.sleep(0)
    await in_progress(bench)
    bench.ledger.gate.set()
    await bench.settled(await first)


async def test_a_key_is_in_progress_until_its_first_request_was_answered_and_a_502_is_committed() -> None:
    bench = Bench()
    bench.hears(refused=("billing",))
    refused = await bench.accept(BILLING, idempotency_key="k")
    await in_progress(bench)  # a 202 now would promise what the 502 takes back
    bench.acceptor.settle(refused, written=True)
    await in_progress(bench)
    await bench.background.drain(10)
    bench.ledger.keys.clear()  # as the ledger does with the silent close
    again = await bench.accept(BILLING, idempotency_key="k")
    assert "idempotency-replayed" not in again.answer.headers


async def test_a_job_that_was_refused_just_now_is_not_replayed() -> None:
    bench = Bench()
    first = await bench.accept(BILLING, wait=0, idempotency_key="k")
    await bench.settled(first)
    bench.ledger.views[first.job_id] = make_job_view(state="failed")  # by another replica, since we looked
    await in_progress(bench)


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), LedgerRejected("bad")])
async def test_a_key_is_free_again_when_nothing_was_stored(fault: Exception) -> None:
    bench = Bench()
    bench.ledger.fault = fault
    with pytest.raises((LedgerUnavailable, ProblemError)):
        await bench.accept(BILLING, wait=0, idempotency_key="k")
    assert bench.holds.held == set()
    bench.ledger.fault = None
    assert (await bench.accept(BILLING, wait=0, idempotency_key="k")).answer.status == 202
