"""The fan-out stage against a small ledger of its own: what is committed for each answer, whatever goes wrong."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sidecar.fanout.stage import MAX_ACKNOWLEDGEMENT
from sidecar.model.errors import LedgerRejected, LedgerUnavailable
from sidecar.model.invocation import Release
from sidecar.model.outcome import OutcomeKind, ResultStatus
from sidecar.model.reasons import InvocationReason
from sidecar.model.route import Completion
from sidecar.model.sealing import Seals
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import JOB, NOW, SEALS, make_call, make_invocation, make_reply
from tests.unit.fanout.bench import FENCE, Bench


def release(**over: Any) -> Release:
    usual: dict[str, Any] = {
        "job_id": JOB,
        "service": "billing",
        "worker": 7,
        "claim": 1,
        "acknowledged": False,
        "unsure": False,
        "retry_in": None,
        "status": None,
        "reason": None,
    }
    return Release(**{**usual, **over})


async def test_an_acknowledgement_is_told_to_the_caller_and_the_row_waits_for_its_callback() -> None:
    bench = Bench(make_reply(202))
    await bench.handle(make_invocation())
    assert bench.caller.took_it == [("billing", 202)]
    assert bench.ledger.releases == [release(acknowledged=True, status=202)]
    (sent,) = bench.sent
    assert (sent["method"], sent["url"], sent["body"]) == ("POST", "http://billing:9000/reports", b"{}")
    assert (sent["timeout"], sent["max_response"]) == (10.0, MAX_ACKNOWLEDGEMENT)


async def test_no_call_outlasts_the_deadline() -> None:
    bench = Bench()
    await bench.handle(make_invocation(deadline_at=NOW + timedelta(seconds=3)))
    assert bench.sent[0]["timeout"] == 3.0


async def test_no_call_starts_after_the_deadline() -> None:
    bench = Bench()
    await bench.handle(make_invocation(deadline_at=NOW))
    assert bench.sent == []
    assert bench.ledger.releases == [release(attempted=False)]


async def test_no_call_starts_while_this_worker_may_be_thought_dead() -> None:
    bench = Bench()
    bench.ledger.acts = False
    await bench.handle(make_invocation())
    assert bench.sent == []
    assert bench.ledger.releases == [release(retry_in=1.0, attempted=False)]


async def test_a_retry_is_committed_with_its_doubt() -> None:
    bench = Bench(Failure(FailureKind.TIMEOUT, sent=True))
    await bench.handle(make_invocation())
    assert bench.ledger.releases == [release(unsure=True, retry_in=0.5, reason=InvocationReason.ACK_TIMEOUT)]


async def test_a_retry_after_a_clean_failure_has_no_doubt() -> None:
    bench = Bench(make_reply(503))
    await bench.handle(make_invocation(attempts=1))
    assert bench.ledger.releases == [release(retry_in=2.0, status=503, reason=InvocationReason.BUSY)]


async def test_an_unsure_invocation_stays_open_after_a_refusal() -> None:
    bench = Bench(make_reply(409))
    bench.caller.waits = True
    await bench.handle(make_invocation(unsure=True, attempts=1))
    assert bench.ledger.releases == [release(unsure=True, status=409, reason=InvocationReason.REFUSED)]
    assert (bench.ledger.outcomes, bench.caller.refusals) == ([], [])


@pytest.mark.parametrize("waits", [True, False])
async def test_a_refusal_is_the_waiting_callers_to_commit_else_ours(*, waits: bool) -> None:
    bench = Bench(make_reply(409))
    bench.caller.waits = waits
    await bench.handle(make_invocation())
    (refusal,) = bench.caller.refusals or bench.ledger.outcomes
    assert (refusal.outcome, refusal.fence, refusal.status_code) == (OutcomeKind.REFUSED, FENCE, 409)
    assert len(bench.ledger.outcomes) == (not waits)


async def test_a_response_is_recorded_whoever_owns_the_row_by_now() -> None:
    bench = Bench(make_reply(200, body=b"a;b", content_type="text/csv"))
    call = make_call(completion=Completion.RESPONSE, timeout=600.0)
    await bench.handle(make_invocation(call=call))
    (result,) = bench.ledger.outcomes
    assert (result.outcome, result.status, result.body, result.fence) == (
        OutcomeKind.RESULT,
        ResultStatus.SUCCEEDED,
        b"a;b",
        None,
    )
    assert (result.reason, result.headers) == (None, b"content-type: text/csv")
    assert bench.sent[0]["max_response"] == 5000
    assert bench.caller.took_it == []


async def test_a_failed_response_says_so() -> None:
    bench = Bench(make_reply(400))
    await bench.handle(make_invocation(call=make_call(completion=Completion.RESPONSE)))
    (result,) = bench.ledger.outcomes
    assert (result.status, result.reason) == (ResultStatus.FAILED, InvocationReason.SERVICE_FAILED)


async def test_an_acknowledgement_is_the_end_where_no_answer_is_expected() -> None:
    bench = Bench(make_reply(200))
    await bench.handle(make_invocation(call=make_call(completion=Completion.NONE)))
    (end,) = bench.ledger.outcomes
    assert (end.outcome, end.status, end.kind) == (OutcomeKind.ACKNOWLEDGED, ResultStatus.SUCCEEDED, None)
    assert bench.caller.took_it == [("billing", 200)]


@pytest.mark.parametrize("completion", [Completion.RESPONSE, Completion.NONE])
@pytest.mark.parametrize("fault", [None, LedgerUnavailable("away"), LedgerRejected("bad")])
async def test_an_unfenced_end_lets_go_of_its_row_stored_or_not(
    completion: Completion, fault: Exception | None
) -> None:
    bench = Bench(make_reply(200))
    bench.ledger.fault = fault
    await bench.handle(make_invocation(call=make_call(completion=completion)))
    assert len(bench.ledger.registry) == 0  # what was not stored is found by reconciling, and called again


@pytest.mark.parametrize(
    ("completion", "committed"),
    [
        (Completion.CALLBACK, [release(unsure=True, reason=InvocationReason.RESET)]),
        (Completion.RESPONSE, []),
    ],
)
async def test_what_must_not_be_called_twice_is_not_called_after_a_crash(
    completion: Completion, committed: list[Release]
) -> None:
    bench = Bench()
    await bench.handle(make_invocation(call=make_call(completion=completion, repeat=False), unsure=True, claim=1))
    assert bench.sent == []
    assert bench.ledger.releases == committed
    assert [outcome.reason for outcome in bench.ledger.outcomes] == ["outcome_unknown"] * (not committed)


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), LedgerRejected("bad")])
@pytest.mark.parametrize("answer", [make_reply(202), make_reply(409), make_reply(503)])
async def test_an_outage_of_the_ledger_is_told_and_ends_nothing(answer: Reply, fault: Exception) -> None:
    bench = Bench(answer)
    bench.ledger.fault = fault
    await bench.handle(make_invocation())
    assert "ledger.unavailable" in bench.lines.names()
    assert bench.fanout._bytes == 0


async def test_a_call_that_cannot_be_made_is_given_up() -> None:
    bench = Bench()
    await bench.handle(make_invocation(headers=b"x: \xff"))
    (end,) = bench.ledger.outcomes
    assert (end.outcome, end.reason, end.fence) == (OutcomeKind.ERROR, InvocationReason.INTERNAL, FENCE)
    assert (bench.sent, bench.fanout._bytes) == ([], 0)


async def test_a_call_that_cannot_be_made_during_an_outage_does_not_end_the_process() -> None:
    bench = Bench()
    bench.ledger.fault = LedgerUnavailable("away")
    await bench.handle(make_invocation(headers=b"x: \xff"))
    assert bench.lines.names() == ["task.failed", "ledger.unavailable"]


async def test_a_fault_of_ours_after_sending_leaves_the_callback_its_chance() -> None:
    bench = Bench(RuntimeError("ours"))
    await bench.handle(make_invocation())
    assert bench.ledger.outcomes == []
    assert bench.ledger.releases == [release(unsure=True, reason=InvocationReason.INTERNAL)]
    assert bench.lines.names() == ["task.failed"]


async def test_each_attempt_is_told_in_one_line_without_addresses_or_bodies() -> None:
    bench = Bench(make_reply(503, body=b"SPY"))
    await bench.handle(make_invocation(attempts=1, body=b"SPY"))
    (line,) = bench.lines.events()
    assert (line["event"], line["attempt"], line["status"], line["reason"]) == (
        "invocation.attempted",
        2,
        503,
        "busy",
    )
    assert line["decision"] == "TryAgain"
    assert "SPY" not in str(line)
    assert "hooks.example" not in str(line)


async def test_room_is_bounded_by_places_and_by_bytes_and_called_for() -> None:
    bench = Bench(per_service=1, queue=1, in_flight_bytes=10)
    bench.gate = asyncio.Event()
    key = make_call().service_key
    assert bench.fanout.has_room(key, 10)
    assert not bench.fanout.has_room(key, 11)
    bench.fanout.start([make_invocation(body=b"12345")])
    assert bench.fanout.has_room(key, 5)
    assert not bench.fanout.has_room("http://stock:9000", 6)
    bench.fanout.start([make_invocation(body=b"")])
    assert not bench.fanout.has_room(key, 0)  # its queue is full: the row waits in the ledger
    bench.gate.set()
    await bench.fanout.lanes.drain(10)
    assert bench.rooms == 1  # and somebody looks for it there
    assert bench.fanout.has_room(key, 10)


async def test_claims_stop_when_the_bytes_are_used_up_but_for_one_call_of_a_service_that_has_none_here() -> None:
    bench = Bench(per_service=2, in_flight_bytes=10)
    bench.gate = asyncio.Event()
    key, other = make_call().service_key, "http://stock:9000"
    assert await bench.fanout.places(key, 2) == 2
    bench.fanout.start([make_invocation(body=b"12345")])
    assert await bench.fanout.places(key, 1) == 1
    bench.fanout.start([make_invocation(body=b"12345")])
    assert [await bench.fanout.places(name, 2) for name in (key, other)] == [0, 1]
    assert await bench.fanout.places(other, 0) == 0
    bench.fanout.start([make_invocation(body=b"1", call=make_call(service_key=other))])
    assert await bench.fanout.places(other, 2) == 0  # one is enough
    bench.gate.set()
    await bench.fanout.lanes.drain(10)
    assert await bench.fanout.places(key, 2) == 2


async def test_what_was_not_begun_is_given_back_untried() -> None:
    bench = Bench(per_service=1)
    bench.gate = asyncio.Event()
    bench.fanout.start([make_invocation(body=b"123"), make_invocation(claim=2, body=b"12345")])
    await asyncio.sleep(0)
    await bench.fanout.give_back_queued()
    assert bench.ledger.releases == [release(claim=2, retry_in=0.0, attempted=False)]
    bench.gate.set()
    await bench.fanout.lanes.drain(10)
    assert bench.fanout._bytes == 0


async def test_what_was_sealed_is_opened_for_the_call() -> None:
    bench = Bench(make_reply(202))
    sealed = SEALS.close(JOB, b"authorization: hush\r\nx-thing: 1", [make_call()])
    await bench.handle(make_invocation(headers=sealed))
    sent = dict(bench.sent[0]["headers"])
    assert (sent["authorization"], sent["x-thing"]) == ("hush", "1")


async def test_a_call_whose_credentials_cannot_be_read_waits_and_counts_no_attempt() -> None:
    bench = Bench()
    sealed = Seals([b"x" * 32], names=["authorization"]).close(JOB, b"authorization: hush", [make_call()])
    await bench.handle(make_invocation(headers=sealed))
    assert bench.sent == []
    assert bench.ledger.releases == [release(retry_in=5.0, attempted=False)]
    assert "credentials.unreadable" in bench.lines.names()
