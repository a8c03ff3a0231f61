"""What is promised of webhooks that are away: they get everything once they are back, under the same ids."""

import asyncio
import gzip
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from sidecar.dev.object_store import EmbeddedStore
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.retrying import BUCKET, QUICK, Retrying, retrying, stock_route
from tests.acceptance.harness.site import Ports, make_settings
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.webhooks import Message, Webhooks, in_turn
from tests.acceptance.harness.world import Places, open_world

BODY = b"article;count\nbolt;7\n"
KNOWN = "SELECT object FROM stored_object WHERE job_id = $1::uuid"
WSO2_SILENT = orjson.dumps({"code": "101503", "type": "Status report", "message": "Error connecting to the back end"})


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "store-of-retries", bucket=BUCKET) as server:
        yield server


@pytest.fixture(scope="module")
def replica(
    module_database: str, flow_places: Places, store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replica]:
    """One process for the tests of this file."""
    directory, ports = tmp_path_factory.mktemp("retries"), Ports.free()
    over = retrying(directory, store, **QUICK)
    spawned = Replica(directory, ports, make_settings(module_database, ports, stock_route(flow_places), over=over))
    spawned.spawn()
    try:
        yield spawned
    finally:
        spawned.kill()


@pytest.fixture
async def site(
    flow_places: Places, replica: Replica, module_database: str, store: EmbeddedStore
) -> AsyncIterator[Retrying]:
    async with open_world(flow_places) as world:
        await replica.until_ready()
        yield Retrying(Flow(world, replica), module_database, store)


@pytest.fixture
async def later(flow_places: Places) -> AsyncIterator[Webhooks]:
    """Webhooks of a host that is not there until the test starts it."""
    webhooks = Webhooks(flow_places.nobody)
    try:
        yield webhooks
    finally:
        await webhooks.stop()


async def until_messages(webhooks: Webhooks, job_id: str, count: int) -> list[Message]:
    return await wait_until(
        lambda: got if len(got := webhooks.by_job[job_id]) >= count else None, f"{count} messages of {job_id}"
    )


async def test_a_refused_message_is_repeated_ever_later_and_its_row_tells_so_after_each_attempt(site: Retrying) -> None:
    rows: list[dict[str, Any]] = []

    async def behave(message: Message) -> web.StreamResponse:
        if message.headers["x-attempt"] != "1":
            rows.append(await site.row(message.job_id))
        return web.Response(status=503 if len(rows) < 5 else 204)

    hook = site.hook("order")
    site.flow.world.webhooks.behaviours["/order/1.0/results"] = behave
    job = await site.accepted(hook, BODY)
    ended = await site.until_row(job, state="delivered")
    messages = site.flow.world.webhooks.by_job[job]
    assert [message.headers["x-attempt"] for message in messages] == ["1", "2", "3", "4", "5", "6"]
    assert {message.id for message in messages} == {f"{job}:stock:succeeded"}
    assert (messages[0].kind, messages[0].body, messages[-1].kind) == ("direct", BODY, "indirect")
    assert [row["retry_count"] for row in rows] == [0, 1, 2, 3, 4]
    waits = [row["next_attempt_at"] - row["last_attempt_at"] for row in rows]
    assert waits == [timedelta(milliseconds=ms) for ms in (100, 200, 400, 800, 800)]
    for row in rows:
        assert row["next_attempt_at"] <= row["asked_at"]  # no attempt comes before its time
        assert (row["service"], row["waits_for"], row["last_status"]) == ("stock", "being_sent", 503)
    assert (rows[-1]["bucket"], rows[-1]["size"]) == (BUCKET, len(BODY))
    assert (ended["retry_count"], ended["attempts"], len(ended["history"] and orjson.loads(ended["history"]))) == (
        5,
        6,
        6,
    )
    assert ended["next_attempt_at"] is None
    (delivery,) = (await site.flow.state(job))["deliveries"]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 6)


async def test_a_webhook_that_was_down_gets_its_result_by_a_link(site: Retrying, later: Webhooks) -> None:
    job = await site.accepted(f"{later.url}/down/1.0/results", BODY)
    row = await site.until_row(job, last_reason="connect", object_key=True)
    assert (row["bucket"], row["state"], row["last_status"]) == (BUCKET, "pending", None)
    await later.start()
    await site.until_row(job, state="delivered")
    (message,) = await until_messages(later, job, 1)
    document: Any = message.json
    assert (message.kind, message.status, message.id) == ("indirect", "succeeded", f"{job}:stock:succeeded")
    assert int(message.headers["x-attempt"]) > 1
    assert (document["type"], document["content_type"], document["size"]) == ("indirect_result", "text/csv", len(BODY))
    assert plain(await site.download(message)) == BODY
    assert b64decode(document["inline"]["body_base64"]) == BODY
    assert document["download"]["refresh_url"] == f"https://gw.example/_jobs/{job}/results/stock"


def plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "unauthorized"), (403, "forbidden"), (404, "rejected"), (410, "gone"), (500, "server_error")],
)
async def test_what_no_repetition_helps_fails_at_once(site: Retrying, status: int, reason: str) -> None:
    site.flow.world.webhooks.status[f"/hook-{status}/1.0/results"] = status
    job = await site.accepted(site.hook(f"hook-{status}"))
    delivery = await site.until_delivery(job, "failed")
    assert (delivery["attempts"], delivery["last_status"], delivery["last_reason"]) == (1, status, reason)
    assert await site.row(job) == {}
    assert len(site.flow.world.webhooks.by_job[job]) == 1


async def test_a_gateway_before_a_silent_webhook_is_asked_again(site: Retrying) -> None:
    site.flow.world.webhooks.behaviours["/wso2/1.0/results"] = in_turn(500, 500, 204, body=WSO2_SILENT)
    job = await site.accepted(site.hook("wso2"))
    row = await site.until_row(job, state="delivered")
    assert [(one["status"], one["reason"]) for one in orjson.loads(row["history"])] == [
        (500, "wso2_fault"),
        (500, "wso2_fault"),
        (204, None),
    ]


async def test_what_is_too_large_for_a_webhook_is_sent_as_a_link_at_once(site: Retrying) -> None:
    async def behave(message: Message) -> web.StreamResponse:
        return web.Response(status=413 if message.kind == "direct" else 204)

    site.flow.world.webhooks.behaviours["/small/1.0/results"] = behave
    job = await site.accepted(site.hook("small"), BODY)
    await site.until_delivery(job, "delivered")
    first, second = site.flow.world.webhooks.by_job[job]
    assert (first.kind, second.kind) == ("direct", "indirect")
    assert first.id == second.id
    assert plain(await site.download(second)) == BODY
    assert await site.row(job) == {}
    assert len(await query(site.dsn, KNOWN, job)) == 1  # so that it is removed when it is over


async def test_retries_go_on_from_the_database_while_the_store_is_away(site: Retrying) -> None:
    back = asyncio.Event()

    async def behave(message: Message) -> web.StreamResponse:
        return web.Response(status=204 if back.is_set() and message.kind == "indirect" else 503)

    site.flow.world.webhooks.behaviours["/storeless/1.0/results"] = behave
    site.store.kill()
    try:
        job = await site.accepted(site.hook("storeless"), BODY)
        messages = await until_messages(site.flow.world.webhooks, job, 4)
        assert [(message.kind, message.body) for message in messages[:4]] == [("direct", BODY)] * 4
        row = await site.row(job)
        assert (row["state"], row["object_key"]) == ("pending", None)
    finally:
        await asyncio.to_thread(site.store.start)
    back.set()
    row = await site.until_row(job, state="delivered")
    assert row["bucket"] == BUCKET
    last = site.flow.world.webhooks.by_job[job][-1]
    assert plain(await site.download(last)) == BODY
    assert {message.id for message in site.flow.world.webhooks.by_job[job]} == {last.id}


async def test_an_endpoint_that_refuses_connections_is_left_alone_and_recovers_with_everything(
    site: Retrying, later: Webhooks
) -> None:
    endpoint = f"{later.url}/refusing/1.0"
    jobs = [await site.accepted(f"{endpoint}/results", b"%d" % number) for number in range(12)]
    row = await site.until_endpoint(endpoint, "open")
    assert row["reason"] == "connect"
    beside = await site.accepted(site.hook("healthy"))
    await site.until_delivery(beside, "delivered")
    waiting = await site.accepted(f"{endpoint}/results", b"late")
    await later.start()
    await site.probe_is_due(endpoint)
    for job in [*jobs, waiting]:
        await site.until_delivery(job, "delivered")
    row = await site.until_endpoint(endpoint, "closed")
    assert row["openings"] == 0
    assert {message.job_id for message in later.messages} == {*jobs, waiting}
