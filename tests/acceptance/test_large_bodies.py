"""Bodies above the threshold: through the real process and a real store, in both directions."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from gzip import decompress
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiohttp import ClientSession, web

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.model.stored import StoredObject
from sidecar.offload.store import ObjectStore
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.http import Answer, Server
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import World
from tests.integration.offload.builders import (
    BUCKET,
    MIB,
    keys_of,
    noise,
    pieces_of,
    read,
    real_settings,
    sha256,
    uploads_of,
)


@pytest.fixture(scope="session")
def store_server(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "large", bucket=BUCKET) as server:
        yield server


class Backend:
    """A service that keeps digests instead of bodies, and answers as it is told."""

    def __init__(self, port: int) -> None:
        self.bodies: list[tuple[str | None, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.result = b""
        self.server = Server(self._serve, port)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.bodies.append((request.headers.get("content-length"), body))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.result:
            return web.Response(body=self.result, content_type="text/csv")
        return web.Response(status=202)


@dataclass
class Bench:
    """A process with an object store, and what is around it."""

    world: World
    replica: Replica
    server: EmbeddedStore
    store: ObjectStore
    backend: Backend
    dsn: str

    async def submit(self, path: str, body: bytes = b"{}", **headers: str) -> Answer:
        sent = {"callback-url": self.world.hook}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url, data = self.replica.ports.gateway_url + path, BytesIO(body)
        async with ClientSession() as session, session.post(url, data=data, headers=sent) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def called(self, path: str = "/one") -> tuple[str, str]:
        """Send a request; the job's id and its callback-url."""
        seen = len(self.backend.headers)
        job_id = (await self.submit(path)).json["job_id"]
        await wait_until(lambda: len(self.backend.headers) > seen, "the service is called")
        return job_id, self.backend.headers[-1]["callback-url"]

    async def call_back(self, url: str, body: Any, **headers: str) -> int:
        async with ClientSession() as session:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            data = BytesIO(body) if isinstance(body, bytes) else body
            async with session.post(url, data=data, headers=sent) as answer:
                await answer.read()
                return answer.status

    async def stored(self, job_id: str, service: str = "billing") -> StoredObject:
        """Wait for the object that the ledger names."""

        async def look() -> Any:
            query = "SELECT object FROM payload WHERE job_id = $1 AND service = $2"
            return await self.ask(query, job_id, service)

        return StoredObject.load(await ask_until(look, "the ledger names an object"))

    async def ask(self, query: str, *values: str) -> Any:
        """Ask the database for one value."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()

    async def keys(self, job_id: str) -> list[str]:
        return [key for key in await keys_of(self.store) if job_id in key]


@pytest.fixture
def download() -> str:
    """How results are served; tests override it."""
    return "redirect"


@pytest.fixture
def offload(store_server: EmbeddedStore, tmp_path: Path, download: str) -> dict[str, Any]:
    """The settings of the store."""
    store_server.start()
    for name, key in (("access", store_server.access_key), ("secret", store_server.secret_key)):
        (tmp_path / name).write_text(key)
    return {
        "bucket": BUCKET,
        "endpoint_url": store_server.endpoint_url,
        "credentials": {"access_key_file": str(tmp_path / "access"), "secret_key_file": str(tmp_path / "secret")},
        "download": download,
    }


@pytest.fixture
async def bench(
    world: World, make_replica: MakeReplica, store_server: EmbeddedStore, database: str, offload: dict[str, Any]
) -> AsyncIterator[Bench]:
    backend = Backend(free_port())
    await backend.server.start()
    origin = backend.server.url
    replica = make_replica(
        [
            route("/one", service("billing", origin)),
            route("/stock", service("stock", origin, completion="response")),
            route("/offered", service("billing", origin, offer_upload=True)),
            route("/each", service("billing", origin), service("stock", origin)),
            route("/all", service("billing", origin), service("stock", origin), gather="all"),
        ],
        over={"offload": offload},
    )
    store = ObjectStore(real_settings(store_server), environ={})
    await store.start()
    try:
        await replica.start()
        yield Bench(world, replica, store_server, store, backend, database)
    except BaseException as error:
        error.add_note(replica.tail())
        raise
    finally:
        await store.stop()
        await backend.server.stop()


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
