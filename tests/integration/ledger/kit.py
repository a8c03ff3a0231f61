"""Small builders for what the ledger stores, and a taker of what it hands over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg

from sidecar.ledger import Ledger, LedgerConfig
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState
from sidecar.model.invocation import Invocation, Release
from sidecar.model.job import IdempotencyKey, NewJob, Stored
from sidecar.model.outcome import Fence, MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.route import Gather, ServiceCall

ENDPOINT = "https://hooks.example:443/crm/1.0"
SERVICE_KEY = "http://billing:9000"


class Taker:
    """Keeps what was handed over, in order, and tells when something came."""

    def __init__(self) -> None:
        self.calls: list[Invocation] = []
        self.messages: list[Delivery] = []
        self.full: list[str] = []
        self.broken = False
        self.came = asyncio.Event()

    def invocations(self, work: Sequence[Invocation], /) -> None:
        if self.broken:
            raise RuntimeError("no place for this work")
        self.calls += work
        self.came.set()

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        self.messages += work
        self.came.set()

    def full_endpoints(self) -> Sequence[str]:
        return self.full

    async def until(self, condition: Callable[["Taker"], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition(self):
                self.came.clear()
                await self.came.wait()


class Replica:
    """One ledger with its taker."""

    def __init__(self, ledger: Ledger, taker: Taker) -> None:
        self.ledger = ledger
        self.taker = taker


@asynccontextmanager
async def replica(dsn: str, *, on_death: Callable[[], None] | None = None, **over: Any) -> AsyncIterator[Replica]:
    taker = Taker()
    config = LedgerConfig(dsn=dsn, **{"pool": 3, **over})
    ledger = Ledger(config, taker, on_death=on_death)
    try:
        await ledger.start()
        yield Replica(ledger, taker)
    finally:
        await ledger.stop()


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    found = await asyncpg.connect(dsn)
    try:
        yield found
    finally:
        await found.close()


def make_call(service: str = "billing", **over: Any) -> ServiceCall:
    return replace(ServiceCall(service=service, service_key=SERVICE_KEY, url=f"{SERVICE_KEY}/x"), **over)


def make_job(ledger: Ledger, *services: str, owned: bool = True, **over: Any) -> NewJob:
    calls = tuple(make_call(name) for name in services or ("billing",))
    job = NewJob(
        job_id=ledger.new_job_id(),
        correlation_id="c-1",
        application="shop",
        route="/orders/{order_id}",
        method="POST",
        callback_url="https://hooks.example/crm/1.0/results",
        endpoint=ENDPOINT,
        gather=Gather.EACH,
        deadline=900.0,
        headers=b"content-type: application/json\r\n",
        body=b'{"order": 1}',
        traceparent=None,
        links_base="https://gw.example/async",
        calls=calls,
        owned=(owned,) * len(calls),
    )
    return replace(job, **over)


def make_key(key: str = "k-1", **over: Any) -> IdempotencyKey:
    return replace(IdempotencyKey(scope="shop POST /orders", key=key, fingerprint=b"f", ttl=3600.0), **over)


def make_result(job_id: UUID, service: str = "billing", **over: Any) -> Outcome:
    outcome = Outcome(
        job_id=job_id,
        service=service,
        outcome=OutcomeKind.RESULT,
        status=ResultStatus.SUCCEEDED,
        kind=MessageKind.DIRECT,
        headers=b"content-type: text/plain\r\n",
        body=b"done",
    )
    return replace(outcome, **over)


def make_refusal(call: Invocation, **over: Any) -> Outcome:
    refusal = make_result(
        call.job_id,
        call.call.service,
        outcome=OutcomeKind.REFUSED,
        status=ResultStatus.FAILED,
        kind=MessageKind.ERROR,
        body=b"{}",
        reason="refused",
        status_code=400,
        fence=Fence(call.worker, call.claim),
    )
    return replace(refusal, **over)


def make_release(call: Invocation, **over: Any) -> Release:
    release = Release(
        job_id=call.job_id,
        service=call.call.service,
        worker=call.worker,
        claim=call.claim,
        acknowledged=False,
        unsure=False,
        retry_in=0.0,
        status=None,
        reason=None,
    )
    return replace(release, **over)


def make_end(message: Delivery, **over: Any) -> DeliveryEnd:
    end = DeliveryEnd(
        job_id=message.job_id,
        service=message.service,
        worker=message.worker,
        claim=message.claim,
        state=DeliveryState.DELIVERED,
        status=200,
        reason=None,
    )
    return replace(end, **over)


async def stored(ledger: Ledger, job: NewJob) -> NewJob:
    assert isinstance(await ledger.accept(job), Stored)
    return job
