"""The accepting stage against a small ledger of its own: who hears what, and what is committed after the answer."""

import asyncio
from typing import cast
from uuid import UUID

import orjson
import pytest

from sidecar.accept.large import LargeRequests
from sidecar.accept.replay import Accepted
from sidecar.model.errors import LedgerRejected, LedgerUnavailable, NotStored, ProblemError
from sidecar.model.route import Completion, Gather, ServiceCall
from tests.unit.accept.bench import BILLING, STOCK, Bench
from tests.unit.builders import WEBHOOK, make_call, make_refusal


def statuses(accepted: Accepted) -> dict[str, str]:
    return {entry["service"]: entry["status"] for entry in orjson.loads(accepted.answer.body)["services"]}


async def test_a_job_is_stored_with_all_that_the_flow_needs() -> None:
    bench = Bench()
    bench.room.full = {STOCK.service_key}
    accepted = await bench.accept(BILLING, STOCK, wait=0, idempotency_key="k")
    (job,) = bench.ledger.jobs
    assert (job.correlation_id, job.application, job.route, job.method) == ("c-1", "shop", "/orders", "POST")
    assert (job.callback_url, job.endpoint) == (WEBHOOK, "https://hooks.example:443/crm/1.0")
    assert (job.gather, job.deadline, job.body) == (Gather.EACH, 60.0, b"{}")
    assert (job.calls, job.owned) == ((BILLING, STOCK), (True, False))
    assert job.links_base == "https://gw.example/orders/1.0"
    assert job.idempotency is not None
    assert (job.idempotency.key, job.idempotency.ttl) == ("k", 60.0)
    assert accepted.answer.headers["x-job-id"] == str(job.job_id)


async def test_messages_are_held_until_the_answer_was_written() -> None:
    bench = Bench()
    accepted = await bench.accept(BILLING, wait=0)
    assert bench.holds.held == {accepted.job_id}
    await bench.settled(accepted)


WAITS = {
    "all took it": ({"billing": 202, "stock": 200}, (), "invoked"),
    "one refused": ({"billing": 202}, ("stock",), "partially_invoked"),
}


@pytest.mark.parametrize(("took", "refused", "overall"), WAITS.values(), ids=WAITS.keys())
async def test_the_answer_tells_who_took_the_job(took: dict[str, int], refused: tuple[str, ...], overall: str) -> None:
    bench = Bench()
    bench.hears(took=took, refused=refused)
    accepted = await bench.accept(BILLING, STOCK)
    document = orjson.loads(accepted.answer.body)
    assert (accepted.answer.status, document["status"]) == (202, overall)
    await bench.settled(accepted)
    assert bench.ledger.recorded == list(refused)  # its error goes to the webhook
    assert bench.ledger.refused == []


@pytest.mark.parametrize("written", [True, False])
async def test_a_partial_refusal_goes_to_the_webhook_whether_or_not_the_202_was_read(*, written: bool) -> None:
    bench = Bench()
    bench.hears(took={"billing": 202}, refused=("stock",))
    accepted = await bench.accept(BILLING, STOCK)
    assert bench.ledger.recorded == []
    await bench.settled(accepted, written=written)
    assert bench.ledger.recorded == ["stock"]


async def test_what_is_not_heard_in_time_is_accepted() -> None:
    bench = Bench()
    bench.hears(refused=("stock",))
    accepted = await bench.accept(BILLING, STOCK, wait=0.01)
    assert (accepted.answer.status, statuses(accepted)) == (202, {"billing": "accepted", "stock": "refused"})
    await bench.settled(accepted)
    assert bench.ledger.recorded == ["stock"]


async def test_a_refusal_after_the_wait_is_not_the_callers_any_more() -> None:
    bench = Bench()
    accepted = await bench.accept(BILLING, wait=0)
    assert not bench.callers.refused(make_refusal(job_id=accepted.job_id))


async def test_all_refused_and_written_is_closed_in_silence() -> None:
    bench = Bench()
    bench.hears(refused=("stock", "billing"))
    accepted = await bench.accept(BILLING, STOCK)
    assert accepted.answer.status == 502
    assert "x-job-id" not in accepted.answer.headers
    assert (bench.ledger.refused, bench.ledger.recorded) == ([], [])  # nothing before the answer was written
    await bench.settled(accepted)
    assert bench.ledger.refused == [(accepted.job_id, 2)]
    assert bench.ledger.recorded == []
    assert bench.lines.names() == ["job.rejected"]


async def test_all_refused_and_not_written_goes_to_the_webhook() -> None:
    bench = Bench()
    bench.hears(refused=("stock", "billing"))
    await bench.settled(await bench.accept(BILLING, STOCK), written=False)
    assert bench.ledger.refused == []
    assert bench.ledger.recorded == ["billing", "stock"]


async def test_a_callback_that_came_first_keeps_the_job_open_and_the_webhook_hears() -> None:
    bench = Bench()
    bench.hears(refused=("stock", "billing"))
    bench.ledger.refuses = False
    await bench.settled(await bench.accept(BILLING, STOCK))
    assert bench.ledger.recorded == ["billing", "stock"]


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), LedgerRejected("bad")])
async def test_a_lost_answer_to_the_silent_close_is_left_to_reconciling(fault: Exception) -> None:
    bench = Bench()
    bench.hears(refused=("billing",))
    accepted = await bench.accept(BILLING)
    bench.ledger.fault = fault
    await bench.settled(accepted)
    assert bench.ledger.recorded == []
    assert "ledger.unavailable" in bench.lines.names()


async def test_a_refusal_that_cannot_be_stored_does_not_take_the_others_with_it() -> None:
    for fault in (LedgerUnavailable("away"), LedgerRejected("bad")):
        bench = Bench()
        bench.hears(refused=("billing", "stock"))
        accepted = await bench.accept(BILLING, STOCK)
        bench.ledger.fault = fault
        await bench.settled(accepted, written=False)
        assert bench.ledger.recorded == ["stock"]


NOT_WAITED_FOR = {
    "a synchronous service": ((make_call(completion=Completion.RESPONSE),), set()),
    "work that waits in the ledger": ((BILLING,), {BILLING.service_key}),
}


@pytest.mark.parametrize(("calls", "full"), NOT_WAITED_FOR.values(), ids=NOT_WAITED_FOR.keys())
async def test_nobody_waits_for_what_cannot_answer_now(calls: tuple[ServiceCall, ...], full: set[str]) -> None:
    bench = Bench()
    bench.room.full = full
    bench.hears(refused=("billing",))
    async with asyncio.timeout(60):
        accepted = await bench.accept(*calls, wait=3600)
    assert (accepted.answer.status, statuses(accepted)) == (202, {"billing": "accepted"})
    assert bench.ledger.recorded == ["billing by the fan-out"]


async def test_one_service_that_cannot_be_waited_for_rules_a_502_out() -> None:
    bench = Bench()
    bench.hears(refused=("billing",))
    accepted = await bench.accept(BILLING, make_call(service="sync", completion=Completion.RESPONSE))
    assert accepted.answer.status == 202
    await bench.settled(accepted)
    assert (bench.ledger.refused, bench.ledger.recorded) == ([], ["billing"])


async def test_a_value_that_the_database_refuses_is_the_callers_fault() -> None:
    bench = Bench()
    bench.ledger.fault = LedgerRejected("22021: bad value SPY")
    with pytest.raises(ProblemError) as caught:
        await bench.accept(BILLING)
    assert (caught.value.problem.status, caught.value.problem.code) == (400, "header_invalid")
    assert "SPY" not in caught.value.problem.detail
    (line,) = bench.lines.events()
    assert (line["event"], line["correlation_id"]) == ("row.rejected", "c-1")
    assert "SPY" not in str(line)


class Large:
    """Where large bodies lie, and what was removed there."""

    def __init__(self) -> None:
        self.dropped: list[bytes] = []

    async def drop(self, body: bytes) -> None:
        self.dropped.append(body)


@pytest.mark.parametrize(("fault", "dropped"), [(NotStored("away"), [b"{}"]), (LedgerUnavailable("who knows"), [])])
async def test_a_large_body_is_removed_only_where_its_job_is_certainly_not_stored(
    fault: Exception, dropped: list[bytes]
) -> None:
    bench, large = Bench(), Large()
    bench.acceptor.large = cast("LargeRequests", large)
    bench.ledger.fault = fault
    with pytest.raises(LedgerUnavailable):
        await bench.accept(BILLING)
    assert large.dropped == dropped


async def test_a_slow_commit_takes_its_time_from_the_wait_for_services() -> None:
    bench = Bench()
    waits: list[float] = []
    until_heard = bench.callers.until_heard

    async def spy(job_id: UUID, seconds: float) -> None:
        waits.append(seconds)
        await until_heard(job_id, 0)

    bench.callers.until_heard = spy  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    began = loop.time()
    bench.ledger.gate = asyncio.Event()
    loop.call_later(0.05, bench.ledger.gate.set)
    await bench.accept(BILLING, wait=60)
    assert 60 - (loop.time() - began) <= waits[0] < 60


async def test_a_commit_that_takes_too_long_is_not_promised() -> None:
    bench = Bench(commit_timeout=0.01)
    bench.ledger.gate = asyncio.Event()
    with pytest.raises(LedgerUnavailable):
        await bench.accept(BILLING)
    assert bench.holds.held == set()
    assert not bench.callers.refused(make_refusal())  # should it be committed after all, the webhook hears


async def test_the_refusals_of_a_caller_who_left_go_to_the_webhook() -> None:
    bench = Bench()
    bench.hears(refused=("stock",))
    accepting = asyncio.create_task(bench.accept(BILLING, STOCK, wait=3600))
    async with asyncio.timeout(60):
        await bench.ledger.stored.wait()
    accepting.cancel()
    await asyncio.wait({accepting})
    await bench.background.drain(10)
    assert bench.ledger.recorded == ["stock"]
    assert bench.holds.held == set()
    assert not bench.callers.refused(make_refusal())


async def test_credentials_are_stored_sealed_and_called_with_as_they_came() -> None:
    bench = Bench()
    headers = b"authorization: hush\r\nx-thing: 1"
    await bench.accept(BILLING, wait=0.0, headers=headers)
    (job,) = bench.ledger.jobs
    assert (job.headers, job.kept_headers is None or b"hush" in job.kept_headers) == (headers, False)
