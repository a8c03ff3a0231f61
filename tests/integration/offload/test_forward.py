"""A stored result is put to the caller's own pre-signed URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from uuid_utils.compat import uuid7

from sidecar.dev.loopback import LoopbackServer
from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadRefused
from sidecar.offload.forward import LARGEST, Failed, Obstacle, Uploaded, forward
from sidecar.offload.store import ObjectStore
from tests.integration.offload.builders import make_keys, noise, read_raw, real_settings, sha256

BODY = b"a;b;c\n" * 200_000 + noise(300_000)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as opened:
        yield opened


@pytest.fixture
async def stored(real: ObjectStore) -> StoredObject:
    return await real.put(BODY, uuid7(), "billing", content_type="text/csv", coding="gzip")


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    server = LoopbackServer(app)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


async def send(
    store: ObjectStore, stored: StoredObject, url: str, session: aiohttp.ClientSession, *, timeout: float = 60
) -> Uploaded | Failed:
    return await forward(
        store, stored, url, session=session, content_type="text/csv", content_encoding="gzip", timeout=timeout
    )


async def test_the_callers_object_has_the_stored_bytes_and_their_headers(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    link = await real.presign_put("callers/own")
    result = await send(real, stored, link.url, session)
    head = await real.head("callers/own")
    assert head is not None
    assert result == Uploaded(head.etag)
    assert (head.size, head.content_type, head.content_encoding) == (stored.stored_size, "text/csv", "gzip")
    assert sha256(await read_raw(real, replace(stored, key="callers/own", etag=head.etag))) == stored.stored_sha256


async def test_a_url_whose_signature_is_wrong_is_refused(
    real_server: EmbeddedStore, real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    stranger = ObjectStore(real_settings(real_server, credentials=make_keys("no", "body")), environ={})
    await stranger.start()
    try:
        link = await stranger.presign_put("callers/refused")
    finally:
        await stranger.stop()
    assert await send(real, stored, link.url, session) == Failed(Obstacle.REFUSED, 403)
    assert await real.head("callers/refused") is None


async def test_a_url_whose_time_is_over_is_told_apart(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    link = await real.presign_put("callers/expired", ttl=1)
    while isinstance(result := await send(real, stored, link.url, session), Uploaded):
        pass
    assert result == Failed(Obstacle.EXPIRED, 403)
    assert not result.may_pass


@pytest.mark.parametrize(
    ("status", "obstacle"),
    [
        (302, Obstacle.REFUSED),
        (400, Obstacle.REFUSED),
        (412, Obstacle.REFUSED),
        (429, Obstacle.UNAVAILABLE),
        (503, Obstacle.UNAVAILABLE),
    ],
)
async def test_each_answer_has_its_meaning_and_nothing_is_followed(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession, status: int, obstacle: Obstacle
) -> None:
    seen: list[tuple[str, int, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.raw_path, len(await request.read()), dict(request.headers)))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application(client_max_size=0)
    app.router.add_put("/{tail:.*}", answer)
    async with serving(app) as url:
        result = await send(real, stored, f"{url}/a%2Fb%20c?Signature=x%2By", session)
    assert result == Failed(obstacle, status)
    [(path, size, headers)] = seen
    assert path == "/a%2Fb%20c?Signature=x%2By"
    assert size == stored.stored_size == int(headers["Content-Length"])
    assert not {"Content-Type", "Content-Encoding", "Transfer-Encoding"} & set(headers)


async def test_nobody_there_and_nobody_answering_may_pass(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    nobody = await send(real, stored, f"http://127.0.0.1:{free_port()}/x", session)
    assert nobody == Failed(Obstacle.UNREACHABLE)

    over = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await request.read()
        await over.wait()
        return web.Response()

    app = web.Application(client_max_size=0)
    app.router.add_put("/", silent)
    async with serving(app) as url:
        silence = await send(real, stored, f"{url}/", session, timeout=0.5)
        over.set()
    assert silence == Failed(Obstacle.TIMEOUT)
    assert nobody.may_pass
    assert silence.may_pass


async def test_what_is_too_large_for_one_put_is_not_tried(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    huge = replace(stored, stored_size=LARGEST + 1)
    assert await send(real, huge, "http://127.0.0.1:1/", session) == Failed(Obstacle.TOO_LARGE)


async def test_our_own_stores_failure_is_not_the_callers(
    real: ObjectStore, stored: StoredObject, session: aiohttp.ClientSession
) -> None:
    link = await real.presign_put("callers/ours")
    with pytest.raises(OffloadRefused):
        await send(real, replace(stored, key="not/there"), link.url, session)
    assert await real.head("callers/ours") is None
