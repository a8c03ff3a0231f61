"""Bodies above the threshold: through the real process and a real store, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession

from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.large.bench import Bench
from tests.integration.offload.builders import (
    MIB,
    noise,
    pieces_of,
    read,
    sha256,
    uploads_of,
)


async def test_a_large_callback_ends_as_an_object_with_the_right_digests(bench: Bench) -> None:
    job_id, url = await bench.called()
    body = noise(30 * MIB)
    assert await bench.call_back(url, body, content_type="text/csv") == 202
    stored = await bench.stored(job_id)
    assert (stored.size, stored.sha256, stored.coding) == (len(body), sha256(body), "gzip")
    assert await read(bench.store, stored) == body
    message = await bench.world.message(job_id, "billing")
    assert (message.kind, message.json["sha256"]) == ("indirect", sha256(body).hex())
    assert await bench.call_back(url, pieces_of(body), content_type="text/csv") == 202  # the same again
    assert await bench.call_back(url, body[:-1], content_type="text/csv") == 409
    assert await bench.keys(job_id) == [stored.key]


async def test_a_body_of_200_mib_passes_without_filling_the_memory(bench: Bench) -> None:
    job_id, url = await bench.called()
    process = psutil.Process(bench.replica.pid)
    members = [process, *process.children(recursive=True)]
    before = sum(member.memory_info().rss for member in members)
    most = before
    block = noise(MIB)

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(200):
            yield block
            most = max(most, sum(member.memory_info().rss for member in members))

    assert await bench.call_back(url, pieces()) == 202
    assert (await bench.stored(job_id)).size == 200 * MIB
    assert most - before < 64 * MIB


async def test_a_truncated_callback_is_refused_and_leaves_nothing(bench: Bench) -> None:
    job_id, url = await bench.called()
    port = bench.replica.ports.callbacks
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = url[url.index("/callbacks/") :]
    writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {40 * MIB}\r\n\r\n".encode())
    writer.write(noise(20 * MIB))
    await writer.drain()
    writer.write_eof()
    answer = await reader.read(100)
    writer.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")

    async def nothing() -> bool:
        return not await bench.keys(job_id) and not [key for key in await uploads_of(bench.store) if job_id in key]

    await ask_until(nothing, "the upload is aborted")
    assert await bench.call_back(url, b"{}") == 202  # and the invocation is still open


async def test_a_store_that_dies_in_mid_upload_gives_503_and_the_same_bytes_pass_later(bench: Bench) -> None:
    job_id, url = await bench.called()
    body = noise(30 * MIB)

    async def pieces() -> AsyncIterator[bytes]:
        yield body[: 20 * MIB]
        bench.server.kill()
        yield body[20 * MIB :]

    assert await bench.call_back(url, pieces()) == 503
    assert await bench.call_back(url, body) == 503
    refused = await bench.submit("/one", body)
    assert (refused.status, refused.problem["code"]) == (503, "storage_unavailable")
    assert "retry-after" in refused.headers
    bench.server.start()
    assert await bench.call_back(url, body) == 202
    stored = await bench.stored(job_id)
    assert await bench.keys(job_id) == [stored.key]


async def test_a_large_request_reaches_the_service_byte_for_byte(bench: Bench) -> None:
    body = noise(5 * MIB)
    answer = await bench.submit("/one", body, content_type="application/x-thing")
    assert answer.status == 202
    await wait_until(lambda: bench.backend.bodies, "the service is called")
    assert bench.backend.bodies == [(str(len(body)), body)]
    assert bench.backend.headers[0]["content-type"] == "application/x-thing"
    first = await bench.submit("/one", body, idempotency_key="k")
    again = await bench.submit("/one", body, idempotency_key="k")
    other = await bench.submit("/one", body[1:], idempotency_key="k")
    assert (first.json["job_id"], other.status) == (again.json["job_id"], 422)
    assert len(await bench.keys(first.json["job_id"])) == 1


async def test_a_call_waits_for_its_stored_body_without_counting_attempts(bench: Bench) -> None:
    await bench.backend.server.stop()
    body = noise(2 * MIB)
    job_id = (await bench.submit("/one", body, prefer="wait=0")).json["job_id"]
    bench.server.kill()
    await bench.backend.server.start()

    await wait_until(lambda: "store.unavailable" in bench.replica.log.read_text(), "the store is missed")
    attempts = await bench.ask("SELECT attempts FROM invocation WHERE job_id = $1", job_id)
    assert bench.backend.bodies == []
    bench.server.start()
    await wait_until(lambda: bench.backend.bodies, "the service is called")
    assert bench.backend.bodies[0][1] == body
    assert bench.backend.headers[0]["x-job-id"] == job_id

    async def ended() -> Any:
        query = "SELECT attempts FROM invocation WHERE job_id = $1 AND acknowledged_at IS NOT NULL"
        return await bench.ask(query, job_id)

    assert await ask_until(ended, "the call is acknowledged") == attempts + 1


async def test_a_large_response_of_a_synchronous_service_is_stored(bench: Bench) -> None:
    bench.backend.result = noise(20 * MIB)
    job_id = (await bench.submit("/stock")).json["job_id"]
    stored = await bench.stored(job_id, "stock")
    assert (stored.size, stored.sha256) == (20 * MIB, sha256(bench.backend.result))
    assert (await bench.world.message(job_id, "stock")).kind == "indirect"
    assert await bench.keys(job_id) == [stored.key]


async def test_a_service_may_upload_its_result_itself(bench: Bench) -> None:
    job_id, url = await bench.called("/offered")
    link = bench.backend.headers[-1]["result-upload-url"]
    assert await bench.call_back(url, b"", x_result_status="uploaded") == 400  # nothing is there yet
    body = noise(3 * MIB)
    async with ClientSession() as session, session.put(link, data=BytesIO(body)) as answer:
        assert answer.status == 200
    assert await bench.call_back(url, b"", x_result_status="uploaded") == 202
    stored = await bench.stored(job_id)
    assert (stored.size, stored.sha256, stored.coding) == (len(body), b"", None)
    assert await read(bench.store, stored) == body
    assert await bench.keys(job_id) == [stored.key]
    message = await bench.world.message(job_id, "billing")
    assert (message.json["size"], message.json["sha256"]) == (len(body), None)
    assert await bench.call_back(url, b"", x_result_status="uploaded") == 202  # the first answer was lost


async def test_an_upload_that_comes_after_another_result_is_removed(bench: Bench) -> None:
    job_id, url = await bench.called("/offered")
    link = bench.backend.headers[-1]["result-upload-url"]
    assert await bench.call_back(url, b"small") == 202
    assert await bench.call_back(url, b"", x_result_status="uploaded") == 409  # whether it is there or not
    async with ClientSession() as session, session.put(link, data=BytesIO(b"late")) as answer:
        assert answer.status == 200
    assert await bench.call_back(url, b"", x_result_status="uploaded") == 409
    assert await bench.keys(job_id) == []


@pytest.mark.parametrize(
    ("path", "url", "code"),
    [
        ("/one", "http://store.example/key?signature=1", None),
        ("/all", "http://store.example/" + "k" * 4000, None),
        ("/each", "http://store.example/key", "upload_url_ambiguous"),
        ("/one", "http://store.example/" + "k" * 4096, "upload_url_invalid"),
        ("/one", "ftp://store.example/key", "upload_url_invalid"),
    ],
)
async def test_an_upload_url_is_taken_where_one_object_can_result(
    bench: Bench, path: str, url: str, code: str | None
) -> None:
    answer = await bench.submit(path, upload_url=url)
    assert answer.status == (400 if code else 202)
    if code:
        assert answer.problem["code"] == code
    else:
        await wait_until(lambda: bench.backend.headers, "the service is called")
        assert "upload-url" not in bench.backend.headers[0]
