"""What an endpoint says of the size and the form of its results, and the callers' own uploads, by the real process."""

from base64 import b64decode
from gzip import decompress
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from sidecar.model.stored import StoredObject
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.webhooks import Message, in_turn
from tests.acceptance.large.bench import Backend, Bench
from tests.integration.offload.builders import noise, sha256

KIB = 1024


@pytest.fixture
def over(world: Any, offload: dict[str, Any]) -> dict[str, Any]:
    """Two endpoints with rules of their own, and quick retries."""
    endpoints = [
        {"name": "partner", "match": f"{world.webhooks.url}/partner/", "threshold": "1KiB", "style": "file"},
        {"name": "store", "match": f"{offload['endpoint_url']}/"},  # callers have buckets in it: upload-urls lead there
        {"name": "roomy", "match": f"{world.webhooks.url}/roomy/", "threshold": "1MiB"},
    ]
    retry = {"base": "100ms", "cap": "200ms", "scan_interval": "20ms"}
    return {"offload": offload, "webhook": {"require_https": False, "endpoints": endpoints}, "retry": retry}


@pytest.fixture
def routes(backend: Backend) -> list[dict[str, Any]]:
    origin = backend.server.url
    both = [service("billing", origin, completion="response"), service("stock", origin, completion="response")]
    eu = route("/eu", service("stock", origin, completion="response"), offload={"prefix": "eu/"})
    return [route("/stock", service("stock", origin, completion="response")), route("/all", *both, gather="all"), eu]


async def result(bench: Bench, hook: str, body: bytes, path: str = "/stock", **headers: str) -> Message:
    bench.backend.result = body
    url = f"{bench.world.webhooks.url}/{hook}/1.0/results"
    answer = await bench.submit(path, b"{}", callback_url=url, **headers)
    return await bench.world.message(answer.json["job_id"], "" if path == "/all" else "stock")


async def download(document: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    async with ClientSession(auto_decompress=False) as session, session.get(document["download"]["url"]) as answer:
        assert answer.status == 200
        return await answer.read(), {name.lower(): value for name, value in answer.headers.items()}


@pytest.mark.parametrize("size", [2 * KIB, 600 * KIB])
async def test_an_endpoint_that_takes_little_gets_files_by_link(bench: Bench, size: int) -> None:
    body = noise(size)
    document: Any = (await result(bench, "partner", body)).json
    assert (document["type"], document["size"], document["content_encoding"]) == ("indirect_result", size, None)
    raw, headers = await download(document)
    assert ("content-encoding" in headers, headers["content-type"]) == (False, "application/gzip")
    assert (sha256(raw).hex(), decompress(raw)) == (document["stored_sha256"], body)
    assert (await result(bench, "partner", body[:KIB])).body == body[:KIB]


async def test_an_endpoint_that_takes_much_gets_it_directly_though_it_was_stored(bench: Bench) -> None:
    body = noise(600 * KIB)
    message = await result(bench, "roomy", body)
    assert (message.kind, message.body == body) == ("direct", True)
    assert message.headers["content-type"] == "text/csv"
    assert await bench.keys(message.job_id)
    assert (await result(bench, "roomy", noise(1100 * KIB))).kind == "indirect"
    assert (await result(bench, "other", body)).kind == "indirect"


async def test_a_small_body_that_is_sent_again_lies_where_its_route_says(bench: Bench) -> None:
    # Away for long enough: a retry may come before the duty that moves the body.
    bench.world.webhooks.behaviours["/other/1.0/results"] = in_turn(503, 503, 503, 503, 204)
    first = await result(bench, "other", b"small", "/eu")

    async def keys() -> list[str]:
        return await bench.keys(first.job_id)

    (key,) = await ask_until(keys, "the body is moved")
    assert key.startswith("eu/")


async def test_an_aggregate_goes_to_the_callers_own_upload_url_once(bench: Bench) -> None:
    bench.world.webhooks.behaviours["/other/1.0/results"] = in_turn(503, 503, 204)
    body = noise(400 * KIB)
    link = await bench.store.presign_put("callers/aggregate")
    first = await result(bench, "other", body, "/all", upload_url=link.url)

    async def delivered() -> list[Message] | None:
        got = bench.world.webhooks.by_job[first.job_id]
        return got if len(got) == 3 else None

    messages = await ask_until(delivered, "the third attempt")
    documents: list[Any] = [message.json for message in messages]
    assert [message.kind for message in messages] == ["indirect"] * 3
    assert documents[0] == documents[1] == documents[2]
    assert documents[0]["upload"]["url"] == link.url.partition("?")[0]
    query = "SELECT upload_url IS NULL AND uploaded IS NOT NULL FROM job WHERE job_id = $1"
    assert await bench.ask(query, first.job_id)
    async with ClientSession() as session:
        read_link = await bench.store.presign_get(
            StoredObject(bench.store.bucket, "callers/aggregate", 0, b"", 0, b"", None, "")
        )
        async with session.get(read_link.url) as answer:
            whole = await answer.read()
    assert sha256(whole).hex() == documents[0]["sha256"]
    assert [b64decode(part["body_base64"]) == body for part in orjson.loads(whole)["results"]] == [True, True]
