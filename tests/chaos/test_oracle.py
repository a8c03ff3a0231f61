"""An oracle that cannot be shocked is none: each way of breaking a promise is noticed."""

from base64 import b64encode
from collections.abc import Callable

import orjson
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from tests.acceptance.harness.load import EACH, Load, Offer, result_of
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World
from tests.chaos.oracle import Oracle, takes

JOB = "01a209c8-ed00-7d23-aab6-e8c29e93e8ec"
OFFER = Offer("caller-1", EACH.format(number=1), b"request")


def message(service: str, *, body: bytes | None = None, status: str = "succeeded") -> Message:
    headers = {
        "webhook-id": f"{JOB}:{service}:{status}",
        "x-job-id": JOB,
        "x-service": service,
        "x-correlation-id": OFFER.key,
        "x-result-kind": "direct",
        "x-result-status": status,
    }
    return Message(
        "/", CIMultiDictProxy(CIMultiDict(headers)), result_of(service, OFFER.body) if body is None else body
    )


def call(service: str) -> Call:
    return Call(service, "POST", "/", CIMultiDictProxy(CIMultiDict({"x-job-id": JOB})), OFFER.body)


@pytest.fixture
async def load(database: str) -> Load:  # noqa: ARG001 - the oracle reads a ledger, which is empty here
    load = Load(World(Places.free()), [])
    load.accepted[JOB] = OFFER
    load.world.services.calls += [call("billing"), call("stock")]
    return load


async def judged(dsn: str, load: Load, *messages: Message, taken: Callable[[Message], bool] = lambda _: True) -> object:
    oracle = Oracle()
    oracle.mood = takes
    for one in messages:
        load.world.webhooks.by_job[JOB].append(one)
        if taken(one):
            await oracle.answer(one)
    try:
        return await oracle.judge(dsn, load)
    finally:
        await load.world.callbacks.close()
        await load.world.client.close()


async def test_a_whole_story_is_believed(database: str, load: Load) -> None:
    verdict = await judged(database, load, message("billing"), message("stock"), message("stock"))
    assert (verdict.jobs, verdict.messages, verdict.doubled) == (1, 2, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([message("billing")], id="lost"),
        pytest.param([message("billing"), message("stock", body=b"mangled")], id="mangled"),
        pytest.param([message("billing"), message("stock"), message("stock", status="failed")], id="ended twice"),
        pytest.param([message("billing"), message("stock"), message("risk", body=b"?")], id="invented"),
    ],
)
async def test_a_broken_promise_is_noticed(database: str, load: Load, messages: list[Message]) -> None:
    with pytest.raises(AssertionError):
        await judged(database, load, *messages)


async def test_a_message_that_was_never_taken_is_noticed(database: str, load: Load) -> None:
    with pytest.raises(AssertionError, match="never taken"):
        await judged(database, load, message("billing"), message("stock"), taken=lambda one: one.service == "billing")


async def test_a_service_that_was_never_called_is_noticed(database: str, load: Load) -> None:
    load.world.services.calls.pop()
    with pytest.raises(AssertionError):
        await judged(database, load, message("billing"), message("stock"))


async def test_an_aggregate_with_a_wrong_part_is_noticed(database: str, load: Load) -> None:
    load.accepted[JOB] = Offer("caller-1", "/load/1/all", b"request")
    parts = [{"service": name, "body_base64": b64encode(b"wrong").decode()} for name in ("billing", "stock")]
    one = message("billing", body=orjson.dumps({"results": parts}))
    headers = CIMultiDict(one.headers)
    headers.update({"webhook-id": f"{JOB}:all:succeeded", "x-result-kind": "aggregate"})
    del headers["x-service"]
    with pytest.raises(AssertionError):
        await judged(database, load, Message("/", CIMultiDictProxy(headers), one.body))
