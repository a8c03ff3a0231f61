"""Results that lie in the object store, as their owner fetches them."""

from dataclasses import dataclass
from gzip import decompress

import pytest
from aiohttp import ClientSession

from sidecar.model.stored import StoredObject
from tests.acceptance.harness.http import Answer
from tests.acceptance.large.bench import Bench
from tests.integration.offload.builders import (
    MIB,
    noise,
    sha256,
)


@dataclass
class Result:
    """A large result, and where it is asked for."""

    body: bytes
    url: str
    stored: StoredObject


async def large_result(bench: Bench, *, compressible: bool = True) -> Result:
    job_id, url = await bench.called()
    body = b"a line that repeats\n" * (MIB // 4) if compressible else noise(2 * MIB)
    assert await bench.call_back(url, body, content_type="text/csv") == 202
    asked = f"{bench.replica.ports.gateway_url}/_jobs/{job_id}/results/billing"
    return Result(body, asked, await bench.stored(job_id))


async def get(url: str, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        ClientSession(auto_decompress=False, skip_auto_headers=("accept-encoding",)) as session,
        session.get(url, headers=sent, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


async def test_a_large_result_is_had_by_a_fresh_link_until_it_is_gone(bench: Bench) -> None:
    result = await large_result(bench)
    answer = await get(result.url)
    assert (answer.status, answer.headers["cache-control"], answer.body) == (303, "no-store", b"")
    linked = await get(answer.headers["location"])
    assert (linked.status, sha256(linked.body)) == (200, result.stored.stored_sha256)
    assert sha256(decompress(linked.body)) == result.stored.sha256
    await bench.store.delete([result.stored])
    gone = await get(result.url)
    assert (gone.status, gone.problem["code"]) == (410, "result_gone")
    bench.server.kill()
    away = await get(result.url)
    assert (away.status, away.problem["code"]) == (503, "storage_unavailable")


async def test_a_result_that_is_not_there_yet_is_not_ready(bench: Bench) -> None:
    job_id, _ = await bench.called()
    answer = await get(f"{bench.replica.ports.gateway_url}/_jobs/{job_id}/results/billing")
    assert (answer.status, answer.problem["code"]) == (409, "result_not_ready")


@pytest.mark.parametrize("download", ["proxy"])
async def test_a_large_result_passes_through_us_as_the_client_likes_it(bench: Bench) -> None:
    result = await large_result(bench)
    plain = await get(result.url)
    assert (plain.status, plain.headers["content-type"], plain.body) == (200, "text/csv", result.body)
    assert "content-encoding" not in plain.headers
    packed = await get(result.url, accept_encoding="gzip")
    assert (packed.headers["content-encoding"], decompress(packed.body)) == ("gzip", result.body)
    part = await get(result.url, accept_encoding="gzip", range="bytes=10-19")
    assert (part.status, part.body) == (206, packed.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(packed.body)}"
    beyond = await get(result.url, accept_encoding="gzip", range=f"bytes={len(packed.body)}-")
    assert beyond.status == 416
    await bench.store.delete([result.stored])
    assert (await get(result.url)).status == 410
    assert (await get(result.url, accept_encoding="gzip")).status == 410
