"""Clients that stop reading their answer: they are cut off, and what the answer was made of is let go."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from sidecar.accept.view import Download
from sidecar.model.stored import StoredObject
from sidecar.offload.reading import RawBody
from sidecar.web.download import Downloads
from sidecar.web.patience import Patient
from sidecar.web.server import Listener
from sidecar.web.tls import ServerTls
from sidecar.web.whole import WholeAnswer
from tests.acceptance.harness.waiting import wait_until
from tests.integration.http.wire import Listeners, head
from tests.tls_files import Files, client

MIB = 1024 * 1024
PIECE = 256 * 1024
ASKED = head(line="GET /x HTTP/1.1")
LAST = head("Connection: close", line="GET /x HTTP/1.1")


class Store:
    """An object store with one object, and the connections that its readers hold."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reading = 0
        self.begun = 0
        self.let_go = asyncio.Event()

    @asynccontextmanager
    async def read_raw(self, stored: StoredObject, *, byte_range: str | None = None) -> AsyncIterator[RawBody]:
        del byte_range
        self.reading += 1
        self.begun += 1
        try:
            yield RawBody(length=stored.stored_size, content_range=None, etag=stored.etag, stream=self)
        finally:
            self.reading -= 1
            self.let_go.set()

    async def read(self, size: int) -> bytes:
        await asyncio.sleep(0)
        return b"a" * size

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        stored = StoredObject("b", "k", self.size, b"", self.size, b"", None, '"1"')
        downloads = Downloads(self, proxy=True)  # type: ignore[arg-type]  # what of it is used
        return await downloads.answer(request, Download(stored, {}))


@asynccontextmanager
async def connected(listener: Listener, *, room: int = 64 * 1024) -> AsyncGenerator[socket.socket, None]:
    """A bare client that has room for little."""
    with socket.socket() as bare:
        bare.setblocking(False)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        await asyncio.get_running_loop().sock_connect(bare, ("127.0.0.1", listener.port))
        yield bare


async def read_to_the_end(bare: socket.socket, *, pause: float = 0.0) -> int:
    loop, size = asyncio.get_running_loop(), 0
    with suppress(ConnectionError):
        while data := await loop.sock_recv(bare, PIECE):
            size += len(data)
            await asyncio.sleep(pause)
    return size


async def nobody_is_connected(listener: Listener) -> None:
    await wait_until(lambda: not listener._server.connections, "all connections end")


async def test_a_download_whose_client_stops_reading_lets_go_of_the_store(listeners: Listeners) -> None:
    store = Store(64 * MIB)
    listener = await listeners.start(store.answer, write_timeout=0.2)
    async with connected(listener) as bare:
        await asyncio.get_running_loop().sock_sendall(bare, ASKED)
        await store.let_go.wait()
        assert store.reading == 0
        await nobody_is_connected(listener)
        assert await read_to_the_end(bare) < store.size  # what the system had of it still comes


async def test_a_download_over_tls_ends_likewise(listeners: Listeners, tmp_path: Path) -> None:
    authority, files = trustme.CA(), Files(tmp_path)
    files.issue(authority)
    store = Store(64 * MIB)
    tls = ServerTls(files.settings(), setting="gateway.tls")
    listener = await listeners.start(store.answer, tls=tls, write_timeout=0.2)
    wire = await listeners.connect(listener, client(authority))
    await wire.send(ASKED)  # its reader stops by itself when its buffer is full
    await store.let_go.wait()
    await nobody_is_connected(listener)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
        await wire.reader.readexactly(store.size)


async def test_many_stalled_downloads_are_all_let_go(listeners: Listeners) -> None:
    store = Store(64 * MIB)
    listener = await listeners.start(store.answer, write_timeout=0.2)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            bare = await stack.enter_async_context(connected(listener))
            await asyncio.get_running_loop().sock_sendall(bare, ASKED)
        await wait_until(lambda: store.begun == 20, "all downloads begin")
        await nobody_is_connected(listener)
        assert store.reading == 0


async def test_a_client_that_reads_slowly_has_all_of_a_download(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = Patient._look

    def counted(connection: Patient, transport: asyncio.Transport, before: int) -> None:
        looks.append(before)
        look(connection, transport, before)

    monkeypatch.setattr(Patient, "_look", counted)
    store = Store(8 * MIB)
    listener = await listeners.start(store.answer, write_timeout=0.3)
    async with connected(listener) as bare:
        await asyncio.get_running_loop().sock_sendall(bare, LAST)
        assert await read_to_the_end(bare, pause=0.04) > store.size
    assert looks, "no time-out passed, so that nothing was looked at"


async def test_a_whole_answer_that_nobody_reads_counts_as_not_written(listeners: Listeners) -> None:
    failed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = WholeAnswer(body=bytes(32 * MIB))
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError as error:
            failed.set_result(error)
            raise
        failed.set_result(None)
        return response

    listener = await listeners.start(answer, write_timeout=0.2)
    async with connected(listener) as bare:
        await asyncio.get_running_loop().sock_sendall(bare, ASKED)
        assert isinstance(await failed, ConnectionResetError)
        await nobody_is_connected(listener)


@pytest.mark.parametrize("kind", [WholeAnswer, web.Response])
async def test_an_answer_of_either_kind_that_nobody_reads_ends_with_its_connection(
    kind: type[web.Response], listeners: Listeners
) -> None:
    begun = asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        return kind(body=bytes(32 * MIB))

    listener = await listeners.start(answer, write_timeout=0.2)
    async with connected(listener) as bare:
        await asyncio.get_running_loop().sock_sendall(bare, ASKED)
        await begun.wait()
        await nobody_is_connected(listener)


async def test_the_small_rest_of_a_last_answer_keeps_no_connection_open(listeners: Listeners) -> None:
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        response = WholeAnswer(body=bytes(60_000))  # less than what the transport lets wait
        await response.prepare(request)
        await response.write_eof()
        await asyncio.sleep(0)  # uvloop sends at the end of the round
        answered.set_result(request.transport.get_write_buffer_size())
        return response

    listener = await listeners.start(answer, write_timeout=0.2)
    async with connected(listener, room=2048) as bare:
        await asyncio.get_running_loop().sock_sendall(bare, LAST)
        assert await answered > 0
        await nobody_is_connected(listener)


async def test_an_answer_that_is_taken_at_once_is_not_timed(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[object] = []
    monkeypatch.setattr(Patient, "_wait_on", lambda _, transport: timed.append(transport))

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return WholeAnswer(body=bytes(30_000))

    wire = await listeners.connect(await listeners.start(answer))
    for _ in range(5):
        await wire.send(ASKED)
        assert len((await wire.answer()).body) == 30_000
    assert timed == []
