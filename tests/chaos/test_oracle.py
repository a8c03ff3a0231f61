"""An oracle that cannot be shocked is none: each way of breaking a promise is noticed."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.dev.object_store import EmbeddedStore
from sidecar.settings.load import load_settings
from sidecar.settings.root import Settings
from tests.acceptance.harness.load import EACH, Load, Offer, load_routes, result_of
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.site import Ports, make_settings, write_settings
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World
from tests.chaos.oracle import Oracle, takes
from tests.chaos.site import offloading
from tests.chaos.uploads import check_uploads, left_uploads, open_store

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


@pytest.fixture
def storing(chaos_store: EmbeddedStore, database: str, tmp_path: Path) -> Settings:
    """Settings of a replica that has the store."""
    chaos_store.start()
    over = {"offload": offloading(chaos_store, chaos_store.endpoint_url, tmp_path)}
    settings = make_settings(database, Ports.free(), load_routes("http://127.0.0.1:9"), over=over)
    return load_settings(write_settings(tmp_path / "replica.yaml", settings), environ={})


async def test_an_upload_that_a_killed_replica_left_is_counted_and_removed_as_the_sidecar_does(
    chaos_store: EmbeddedStore, storing: Settings
) -> None:
    async with open_store(storing, endpoint_url=chaos_store.endpoint_url) as store:
        await store.client.create_multipart_upload(Bucket=store.bucket, Key="sidecar/2026/11/25/job/billing/abandoned")
        assert len(await left_uploads(store)) == 1
        assert await check_uploads(storing, endpoint_url=chaos_store.endpoint_url) == 1
        assert await left_uploads(store) == []


async def test_an_upload_that_the_sidecar_would_never_remove_is_noticed(
    chaos_store: EmbeddedStore, storing: Settings
) -> None:
    async with open_store(storing, endpoint_url=chaos_store.endpoint_url) as store:
        begun = await store.client.create_multipart_upload(Bucket=store.bucket, Key="elsewhere/abandoned")
        with pytest.raises(AssertionError, match="never remove"):
            await check_uploads(storing, endpoint_url=chaos_store.endpoint_url)
        await store.client.abort_multipart_upload(Bucket=store.bucket, Key=begun["Key"], UploadId=begun["UploadId"])
