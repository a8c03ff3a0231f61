"""The delivering stage with what is sent again, what is sent in another way, and endpoints that are away."""

import asyncio

import orjson
import pytest

from sidecar.deliver.circuits import THRESHOLD
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.outcome import MessageKind
from sidecar.model.reasons import DeliveryReason
from sidecar.model.retry import EndpointState, RetryVerdict
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import JOB, NOW, make_delivery, make_reply, make_retry, make_stored
from tests.unit.deliver.bench import Bench, Store

HERE = make_delivery().endpoint
STORED = make_stored().dump()
REFUSED = Failure(FailureKind.CONNECT, sent=False)


@pytest.mark.parametrize(
    ("answer", "verdict", "wait"),
    [
        (make_reply(204), RetryVerdict.DELIVERED, 0.0),
        (make_reply(503), RetryVerdict.AGAIN, 0.0),
        (make_reply(408, retry_after="9"), RetryVerdict.AGAIN, 9.0),
        (make_reply(429, retry_after="99999999"), RetryVerdict.AGAIN, 43_200.0),
        (make_reply(410, retry_after="9"), RetryVerdict.FAILED, 0.0),
        (REFUSED, RetryVerdict.AGAIN, 0.0),
    ],
)
async def test_how_a_retry_ended_is_committed(answer: Reply | Failure, verdict: RetryVerdict, wait: float) -> None:
    bench = Bench(answer, store=Store())
    await bench.handle(make_retry(attempts=4, retry_count=3, stored=STORED))
    (end,) = bench.ledger.retried
    assert (end.verdict, end.wait, end.delay, end.budget) == (verdict, wait, 16.0, 43_200.0)
    (sent,) = bench.sent
    assert (sent["headers"]["x-attempt"], sent["headers"]["x-result-kind"]) == ("5", "indirect")
    assert orjson.loads(sent["body"])["type"] == "indirect_result"
    assert bench.ledger.ends == []


async def test_a_retry_is_not_held_back_for_the_callers_answer() -> None:
    bench = Bench()
    bench.deliver.holds.hold(JOB)
    await bench.handle(make_retry())
    assert len(bench.sent) == 1


@pytest.mark.parametrize("status", [413, 415])
async def test_what_is_refused_for_its_size_or_type_goes_as_a_link_in_the_same_attempt(status: int) -> None:
    bench = Bench(make_reply(status), make_reply(204), store=Store())
    await bench.handle(make_delivery())
    kinds = [sent["headers"]["x-result-kind"] for sent in bench.sent]
    assert kinds == [MessageKind.DIRECT, MessageKind.INDIRECT]
    assert len({(sent["headers"]["webhook-id"], sent["headers"]["x-attempt"]) for sent in bench.sent}) == 1
    assert [(end.state, end.status) for end in bench.ledger.ends] == [(DeliveryState.DELIVERED, 204)]


async def test_what_is_refused_as_a_link_too_has_failed() -> None:
    bench = Bench(make_reply(413), make_reply(413), store=Store())
    await bench.handle(make_delivery())
    assert len(bench.sent) == 2
    assert [end.state for end in bench.ledger.ends] == [DeliveryState.FAILED]


async def test_what_is_refused_for_its_size_without_a_store_has_failed() -> None:
    bench = Bench(make_reply(413))
    await bench.handle(make_delivery())
    assert [(end.state, end.reason) for end in bench.ledger.ends] == [(DeliveryState.FAILED, DeliveryReason.TOO_LARGE)]


async def test_what_is_refused_for_its_size_while_the_store_is_away_is_tried_again() -> None:
    store = Store()
    store.away = True
    bench = Bench(make_reply(413), store=store)
    await bench.handle(make_delivery())
    assert [(end.state, end.status) for end in bench.ledger.ends] == [(DeliveryState.RETRYING, 413)]


async def test_a_worker_that_may_be_thought_dead_does_not_send_the_link_either() -> None:
    bench = Bench(make_reply(413), store=Store())
    bench.gate = asyncio.Event()
    bench.deliver.start([make_delivery()])
    await asyncio.sleep(0)
    assert len(bench.sent) == 1
    bench.ledger.acts = False
    bench.gate.set()
    await bench.deliver.lanes.drain(10)
    assert len(bench.sent) == 1
    assert [end.state for end in bench.ledger.ends] == [DeliveryState.RETRYING]


async def test_a_large_body_that_cannot_be_linked_is_put_off_untried() -> None:
    store = Store()
    store.away = True
    bench = Bench(store=store)
    await bench.handle(make_retry(stored=STORED, body=b""), make_delivery(stored=STORED, body=b"", service="scans"))
    assert bench.sent == []
    (again,), (first,) = bench.ledger.retried, bench.ledger.ends
    assert (again.verdict, again.reason) == (RetryVerdict.DEFERRED, "store_unavailable")
    assert (first.state, first.attempted) == (DeliveryState.OPEN, False)


async def test_a_retried_aggregate_whose_parts_cannot_be_read_is_put_off() -> None:
    bench = Bench()
    bench.ledger.readable = False
    await bench.handle(make_retry(service="", kind=MessageKind.AGGREGATE, body=b""))
    assert [(end.verdict, end.reason) for end in bench.ledger.retried] == [
        (RetryVerdict.DEFERRED, "ledger_unavailable")
    ]


async def test_an_outage_while_a_retry_ends_is_told_and_ends_nothing() -> None:
    bench = Bench()
    bench.ledger.fault = LedgerUnavailable("away")
    await bench.handle(make_retry())
    assert "ledger.unavailable" in bench.lines.names()


async def test_what_waits_for_an_endpoint_that_is_away_is_given_back() -> None:
    bench = Bench(*[REFUSED] * 9, per_endpoint=1)
    await bench.handle(*(make_delivery(claim=claim) for claim in range(9)))
    assert len(bench.sent) == THRESHOLD
    assert bench.deliver.full_endpoints().count(HERE) >= 1
    bench.deliver.start([make_retry()])
    await bench.deliver.give_back_away()
    assert (bench.deliver.lanes.queued, len(bench.sent)) == (0, THRESHOLD)
    assert [end.state for end in bench.ledger.ends] == [DeliveryState.RETRYING] * 5 + [DeliveryState.OPEN] * 4
    assert not any(end.attempted for end in bench.ledger.ends[THRESHOLD:])
    assert [(end.verdict, end.delay) for end in bench.ledger.retried] == [(RetryVerdict.DEFERRED, 0.0)]


async def test_what_came_while_an_endpoint_was_away_is_sent_when_it_is_back() -> None:
    bench = Bench()
    bench.endpoints.states = [EndpointState(HERE, "paused", "retry_after_429", 0, NOW, NOW, 1.0, probing=False)]
    await bench.deliver.health.refresh()
    bench.deliver.start([make_delivery(), make_retry()])
    bench.endpoints.states = []
    await bench.deliver.health.refresh()
    assert bench.sent == []
    await bench.deliver.give_back_away()
    await bench.deliver.lanes.drain(10)
    assert len(bench.sent) == 2
