"""The delivering stage against a small ledger of its own: what is committed for each answer of a webhook."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import pytest

from sidecar.deliver.stage import Deliver, DeliverLimits
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState, Part
from sidecar.model.errors import LedgerRejected, LedgerUnavailable
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.reasons import DeliveryReason
from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, WEBHOOK, Lines, make_delivery, make_reply


class Ledger:
    def __init__(self) -> None:
        self.ends: list[DeliveryEnd] = []
        self.fault: Exception | None = None
        self.readable = True
        self.acts = True

    def may_act(self, worker: int) -> bool:
        return self.acts and worker == 7

    async def finish(self, end: DeliveryEnd) -> bool:
        if self.fault is not None:
            raise self.fault
        self.ends.append(end)
        return True

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        assert job_id == JOB
        if self.fault is not None or not self.readable:
            raise self.fault or LedgerUnavailable
        headers = b"content-type: application/json"
        return [Part("billing", "result", ResultStatus.SUCCEEDED, MessageKind.DIRECT, None, headers, b"[1]", NOW)]


class Bench:
    def __init__(self, *answers: Reply | Failure | Exception, per_endpoint: int = 2) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []
        self.gate: asyncio.Event | None = None
        self.ledger, self.lines = Ledger(), Lines()
        self.deliver = Deliver(
            ledger=self.ledger,
            send=self._send,
            limits=DeliverLimits(per_endpoint=per_endpoint, total=9, queue=2, timeout=30.0),
            label_of=lambda _: "other",
            log=self.lines.log,
            metrics=Metrics(),
        )

    async def _send(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Reply | Failure:
        self.sent.append({"url": url, "headers": dict(headers), "body": body, "timeout": timeout})
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else make_reply(204)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def handle(self, *work: Delivery) -> None:
        self.deliver.start(work)
        await self.deliver.lanes.drain(10)
        assert self.deliver.lanes._failure is None  # nothing that a webhook does may end the process


def end(state: DeliveryState, **over: Any) -> DeliveryEnd:
    usual: dict[str, Any] = {"job_id": JOB, "service": "billing", "worker": 7, "claim": 1, "state": state}
    return DeliveryEnd(**{**usual, "status": None, "reason": None, **over})


ENDS = [
    (make_reply(200), end(DeliveryState.DELIVERED, status=200)),
    (make_reply(503), end(DeliveryState.FAILED, status=503, reason=DeliveryReason.UNAVAILABLE)),
    (make_reply(410), end(DeliveryState.FAILED, status=410, reason=DeliveryReason.GONE)),
    (make_reply(302), end(DeliveryState.FAILED, status=302, reason=DeliveryReason.REDIRECT)),
    (Failure(FailureKind.DNS, sent=False), end(DeliveryState.FAILED, reason=DeliveryReason.DNS)),
]


@pytest.mark.parametrize(("answer", "committed"), ENDS)
async def test_how_an_attempt_ended_is_committed(answer: Reply | Failure, committed: DeliveryEnd) -> None:
    bench = Bench(answer)
    await bench.handle(make_delivery())
    assert bench.ledger.ends == [committed]
    (sent,) = bench.sent
    assert (sent["url"], sent["body"], sent["timeout"]) == (WEBHOOK, b'{"total": 1}', 30.0)
    assert sent["headers"]["x-job-id"] == str(JOB)


async def test_nothing_is_sent_while_this_worker_may_be_thought_dead() -> None:
    bench = Bench()
    bench.ledger.acts = False
    await bench.handle(make_delivery())
    assert bench.sent == []
    assert bench.ledger.ends == [end(DeliveryState.OPEN, retry_in=1.0, attempted=False)]


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
    assert bench.ledger.ends == [end(DeliveryState.OPEN, service="", retry_in=1.0, attempted=False)]


async def test_a_message_that_cannot_be_sent_fails_alone() -> None:
    bench = Bench()
    await bench.handle(make_delivery(service="bad", headers=b"x: \xff"), make_delivery())
    assert bench.ledger.ends == [
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
    assert (line["reason"], line["retryable"], line["webhook"]) == ("status_503", True, "hooks.example")
    assert "SPY" not in str(line)
    assert "/crm" not in str(line)
