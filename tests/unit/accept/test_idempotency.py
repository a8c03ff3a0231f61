"""Idempotency keys: one job for one request, however often it is sent, and never a promise that is taken back."""

import asyncio
from datetime import timedelta

import pytest

from sidecar.accept.identity import Caller
from sidecar.accept.replay import Accepted
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, ProblemError
from tests.unit.accept.bench import BILLING, Bench
from tests.unit.builders import NOW, make_job_view, make_service_view


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


def elsewhere(bench: Bench, first: Accepted, *, age: float, status: str) -> Bench:
    """Another process on the same ledger, which finds the job of a key ``age`` seconds old."""
    other = Bench(commit_timeout=5.0)
    other.ledger.keys = bench.ledger.keys
    service = make_service_view(status=status)
    view = make_job_view(job_id=first.job_id, services=(service,), created_at=NOW - timedelta(seconds=age))
    other.ledger.views[first.job_id] = view
    return other


@pytest.mark.parametrize(
    ("age", "status", "told"),
    [(0.0, "invoking", 409), (0.0, "invoked", 202), (0.0, "succeeded", 202), (6.9, "invoking", 409)],
)
async def test_no_process_promises_what_another_may_still_take_back(age: float, status: str, told: int) -> None:
    bench = Bench(commit_timeout=5.0)
    first = await bench.accept(BILLING, wait=0, idempotency_key="k")  # it waits for its services there
    other = elsewhere(bench, first, age=age, status=status)
    if told == 409:
        await in_progress(other)
    else:
        assert (await other.accept(BILLING, idempotency_key="k")).answer.headers["idempotency-replayed"] == "true"


async def test_a_job_whose_service_is_not_waited_for_is_promised_at_once() -> None:
    bench = Bench(commit_timeout=5.0)
    first = await bench.accept(BILLING, wait=0, idempotency_key="k")
    other = elsewhere(bench, first, age=0.0, status="invoking")
    service = make_service_view(status="invoking", completion="response")
    other.ledger.views[first.job_id] = make_job_view(job_id=first.job_id, services=(service,))
    assert (await other.accept(BILLING, idempotency_key="k")).answer.status == 202


async def test_a_key_is_answered_everywhere_when_its_first_caller_must_have_his_answer() -> None:
    bench = Bench(commit_timeout=5.0)
    first = await bench.accept(BILLING, wait=0, idempotency_key="k")
    other = elsewhere(bench, first, age=7.0, status="invoking")
    assert (await other.accept(BILLING, idempotency_key="k")).answer.status == 202


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), LedgerRejected("bad")])
async def test_a_key_is_free_again_when_nothing_was_stored(fault: Exception) -> None:
    bench = Bench()
    bench.ledger.fault = fault
    with pytest.raises((LedgerUnavailable, ProblemError)):
        await bench.accept(BILLING, wait=0, idempotency_key="k")
    assert bench.holds.held == set()
    bench.ledger.fault = None
    assert (await bench.accept(BILLING, wait=0, idempotency_key="k")).answer.status == 202
