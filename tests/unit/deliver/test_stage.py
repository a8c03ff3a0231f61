"""The delivering stage against a small ledger of its own: what is committed for each answer of a webhook."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from sidecar.model.delivery import DeliveryEnd, DeliveryState
from sidecar.model.errors import LedgerRejected, LedgerUnavailable
from sidecar.model.outcome import MessageKind
from sidecar.model.reasons import DeliveryReason
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import JOB, WEBHOOK, make_delivery, make_reply, make_stored
from tests.unit.deliver.bench import Bench, Store


def end(state: DeliveryState, **over: Any) -> DeliveryEnd:
    usual: dict[str, Any] = {"job_id": JOB, "service": "billing", "worker": 7, "claim": 1, "state": state}
    if state is not DeliveryState.OPEN:
        usual |= {"retry_in": 1.0, "budget": 43_200.0}
    return DeliveryEnd(**{**usual, "status": None, "reason": None, **over})


def untimed(done: DeliveryEnd) -> DeliveryEnd:
    assert done.seconds >= 0
    return replace(done, seconds=0.0)


ENDS = [
    (make_reply(200), end(DeliveryState.DELIVERED, status=200)),
    (make_reply(503), end(DeliveryState.RETRYING, status=503, reason=DeliveryReason.UNAVAILABLE)),
    (
        make_reply(503, retry_after="9"),
        end(DeliveryState.RETRYING, status=503, reason=DeliveryReason.UNAVAILABLE, retry_after=9.0),
    ),
    (make_reply(410), end(DeliveryState.FAILED, status=410, reason=DeliveryReason.GONE)),
    (make_reply(302), end(DeliveryState.FAILED, status=302, reason=DeliveryReason.REDIRECT)),
    (Failure(FailureKind.DNS, sent=False), end(DeliveryState.RETRYING, reason=DeliveryReason.DNS)),
]


@pytest.mark.parametrize(("answer", "committed"), ENDS)
async def test_how_an_attempt_ended_is_committed(answer: Reply | Failure, committed: DeliveryEnd) -> None:
    bench = Bench(answer)
    await bench.handle(make_delivery())
    assert [untimed(done) for done in bench.ledger.ends] == [committed]
    (sent,) = bench.sent
    assert (sent["url"], sent["body"], sent["timeout"]) == (WEBHOOK, b'{"total": 1}', 30.0)
    assert sent["headers"]["x-job-id"] == str(JOB)


async def test_nothing_is_sent_while_this_worker_may_be_thought_dead() -> None:
    bench = Bench()
    bench.ledger.acts = False
    await bench.handle(make_delivery())
    assert bench.sent == []
    assert bench.ledger.ends == [end(DeliveryState.OPEN, reason="not_alive", retry_in=1.0, attempted=False)]


async def test_a_message_whose_upload_finds_no_place_is_put_off_without_an_attempt() -> None:
    store = Store()
    store.busy = True
    bench = Bench(store=store)
    await bench.handle(make_delivery(stored=make_stored(b"x" * 2000).dump(), body=b"", upload_url="https://own/put"))
    assert bench.sent == []
    assert bench.ledger.ends == [end(DeliveryState.OPEN, reason="connections_busy", retry_in=5.0, attempted=False)]


async def test_an_aggregate_is_rendered_when_it_is_sent() -> None:
    bench = Bench()
    await bench.handle(make_delivery(service="", kind=MessageKind.AGGREGATE, headers=b"", body=b""))
    (sent,) = bench.sent
    assert sent["headers"]["content-type"] == "application/json"
    assert orjson.loads(sent["body"])["results"][0]["body"] == [1]


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), LedgerRejected("bad")])
@pytest.mark.parametrize("kind", [MessageKind.DIRECT, MessageKind.AGGREGATE])
async def test_an_outage_of_the_ledger_is_told_and_ends_nothing(kind: MessageKind, fault: Exception) -> None:
    bench = Bench()
    bench.ledger.fault = fault
    await bench.handle(make_delivery(kind=kind))
    assert "ledger.unavailable" in bench.lines.names()


async def test_an_aggregate_whose_parts_cannot_be_read_is_given_back_untried() -> None:
    bench = Bench()
    bench.ledger.readable = False
    await bench.handle(make_delivery(service="", kind=MessageKind.AGGREGATE, headers=b"", body=b""))
    assert bench.sent == []
    given_back = end(DeliveryState.OPEN, service="", reason="ledger_unavailable", retry_in=1.0, attempted=False)
    assert bench.ledger.ends == [given_back]


async def test_a_message_that_cannot_be_sent_fails_alone() -> None:
    bench = Bench()
    await bench.handle(make_delivery(service="bad", headers=b"x: \xff"), make_delivery())
    assert [untimed(done) for done in bench.ledger.ends] == [
        end(DeliveryState.FAILED, service="bad", reason=DeliveryReason.INTERNAL),
        end(DeliveryState.DELIVERED, status=204),
    ]


async def test_a_message_that_cannot_be_sent_during_an_outage_does_not_end_the_process() -> None:
    bench = Bench(RuntimeError("ours"))
    bench.ledger.fault = LedgerUnavailable("away")
    await bench.handle(make_delivery())
    assert bench.lines.names() == ["task.failed", "ledger.unavailable"]


async def test_messages_of_a_held_job_are_sent_when_it_is_opened() -> None:
    bench = Bench()
    bench.deliver.holds.hold(JOB)
    await bench.handle(make_delivery())
    assert bench.sent == []
    bench = Bench()
    bench.deliver.holds.hold(JOB)
    bench.deliver.start([make_delivery()])
    bench.deliver.holds.open(JOB)
    await bench.deliver.lanes.drain(10)
    assert len(bench.sent) == 1


async def test_what_was_not_begun_is_given_back_untried() -> None:
    bench = Bench(per_endpoint=1)
    bench.gate = asyncio.Event()
    bench.deliver.start([make_delivery(), make_delivery(claim=2)])
    await asyncio.sleep(0)
    await bench.deliver.give_back_queued()
    assert bench.ledger.ends == [end(DeliveryState.OPEN, claim=2, attempted=False)]
    bench.gate.set()
    await bench.deliver.lanes.drain(10)
    assert len(bench.sent) == 1


async def test_each_attempt_is_told_in_one_line_with_no_more_of_the_webhook_than_its_host() -> None:
    bench = Bench(make_reply(503))
    await bench.handle(make_delivery(attempts=1, callback_url=WEBHOOK + "?token=SPY", body=b"SPY"))
    (line,) = bench.lines.events()
    assert (line["event"], line["attempt"], line["status"]) == ("delivery.attempted", 2, 503)
    assert (line["reason"], line["retryable"]) == ("status_503", True)
    assert line["webhook"].partition(":")[0] == "hooks.example"
    assert "SPY" not in str(line)
    assert "/crm" not in str(line)


@pytest.mark.parametrize("answer", [make_reply(200), make_reply(503), RuntimeError("a fault of ours")])
async def test_memory_for_a_stored_body_that_is_sent_directly_is_given_back(answer: Reply | Exception) -> None:
    store, stored = Store(), make_stored(b"x" * 900)
    store.bodies[stored.key] = b"x" * 900
    bench = Bench(answer, store=store)
    await bench.handle(make_delivery(stored=stored.dump(), body=b""))
    assert [sent["body"] for sent in bench.sent] == [b"x" * 900]
    assert bench.deliver._contents._held == 0
