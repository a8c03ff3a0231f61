"""What a listener does against clients that try where one request ends, or open more connections than they may."""

import asyncio
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from sidecar.web.body import BodyReader, read_body
from sidecar.web.server import Listener
from sidecar.web.tls import ServerTls
from tests.integration.http.wire import Listeners, Wire, head
from tests.tls_files import Files, client

SECOND = head("Content-Length: 1", line="POST /second HTTP/1.1") + b"z"
CHUNKED = head("Transfer-Encoding: chunked")

BROKEN_FRAMES = {
    "chunk extension with a bare LF": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "chunk extension with a CR": CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "chunk size with a bare LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "chunk size before a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size after a space": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk that ends with a bare LF": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "last chunk with bare LFs": CHUNKED + b"3\r\nabc\r\n0\n\n",
    "length in the trailers": CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    "request in the trailers": CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\nGET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n",
    "folded trailer": CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
    "endless trailer": CHUNKED + b"3\r\nabc\r\n0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "endless trailers": CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    "coding with a comma": head("Transfer-Encoding: chunked,") + b"0\r\n\r\n",
    "coding left empty": head("Transfer-Encoding: ") + b"0\r\n\r\n",
    "coding identity": head("Transfer-Encoding: identity", "Content-Length: 3") + b"abc",
    "length left empty": head("Content-Length: ") + b"abc",
    "length in hexadecimal": head("Content-Length: 0x3") + b"abc",
    "length with a space": head("Content-Length: 1 1") + b"abc",
    "length in other digits": head("Content-Length: \xb3") + b"abc",
    "space before the request": b" " + head("Content-Length: 3") + b"abc",
    "request line with a bare LF": b"POST /x HTTP/1.1\nHost: here\r\nContent-Length: 0\r\n\r\n",
    "fold after the request line": b"POST /x HTTP/1.1\r\n Host: here\r\nContent-Length: 0\r\n\r\n",
    "tabs in the request line": b"POST\t/x\tHTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n",
}

WHOLE_FRAMES = {
    "chunk extension": CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n",  # RFC 9112, 7.1.1: to be ignored
    "trailer": CHUNKED + b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
    "another header that looks like a coding": head("Transfer_Encoding: chunked", "Content-Length: 3") + b"abc",
    "body of a GET": head("Content-Length: 3", line="GET /x HTTP/1.1") + b"abc",
}


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=await read_body(request, limit=100_000, idle_timeout=60))


async def test_a_client_that_sends_many_requests_at_once_lets_others_have_their_turn(listeners: Listeners) -> None:
    handled: list[str] = []
    before_others: list[int] = []

    async def answer_at_once(request: web.BaseRequest) -> web.StreamResponse:
        if not handled:
            asyncio.get_running_loop().call_soon(lambda: before_others.append(len(handled)))
        handled.append(request.path)
        return web.Response(status=404)

    wire = await listeners.connect(await listeners.start(answer_at_once))
    await wire.send(head(line="GET /x HTTP/1.1") * 1000)
    for _ in range(1000):
        assert (await wire.answer()).status == 404
    assert len(handled) == 1000
    assert before_others[0] < 5


@pytest.mark.parametrize("frame", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES.keys())
async def test_a_broken_frame_is_refused_and_nothing_behind_it_is_taken_for_a_request(
    frame: bytes, listeners: Listeners
) -> None:
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return await echo(request)

    wire = await listeners.connect(await listeners.start(note))
    await wire.send(frame + SECOND)
    answer = await wire.answer()
    assert answer.status in {400, 431}
    assert answer.problem["code"] in {"bad_request", "body_unreadable", "headers_too_large"}
    assert await wire.closed()
    assert set(seen) <= {"/x"}


@pytest.mark.parametrize("frame", WHOLE_FRAMES.values(), ids=WHOLE_FRAMES.keys())
async def test_a_whole_frame_ends_where_it_says(frame: bytes, listeners: Listeners) -> None:
    wire = await listeners.connect(await listeners.start(echo))
    await wire.send(frame + SECOND)
    assert [(await wire.answer()).body for _ in range(2)] == [b"abc", b"z"]


async def test_a_body_that_drips_in_ends_after_its_time_in_all(listeners: Listeners) -> None:
    reader = BodyReader(limit=1000, budget=1000, idle_timeout=60, total_timeout=0.2)

    async def read(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=await reader.read(request))

    wire = await listeners.connect(await listeners.start(read))
    await wire.send(head("Content-Length: 1000"))

    async def drip() -> None:
        while True:
            await wire.send(b"a")
            await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    answer = await wire.answer()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    assert (answer.status, answer.problem["code"]) == (408, "body_timeout")
    assert answer.headers["connection"] == "close"


async def served(wire: Wire) -> int:
    await wire.send(head("Content-Length: 0"))
    return (await wire.answer()).status


async def test_more_connections_than_there_may_be_are_told_so_and_closed(listeners: Listeners) -> None:
    listener = await listeners.start(echo, connections=2)
    first, second = await listeners.connect(listener), await listeners.connect(listener)
    assert [await served(first), await served(second)] == [200, 200]
    third = await listeners.connect(listener)
    answer = await third.answer()
    assert (answer.status, answer.problem["code"]) == (503, "overloaded")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert await third.closed()
    third.writer.close()
    assert await served(first) == 200  # those that are open are served as before
    first.writer.close()
    await first.writer.wait_closed()
    await until_served(listeners, listener)


async def until_served(listeners: Listeners, listener: Listener) -> None:
    """Connect until there is a place again: the other side hears of an end a moment later."""
    async with asyncio.timeout(60):
        while True:
            wire = await listeners.connect(listener)
            if await served(wire) == 200:
                return
            wire.writer.close()


async def test_a_crowd_of_connections_is_cut_off(listeners: Listeners) -> None:
    listener = await listeners.start(echo, connections=1)
    assert await served(await listeners.connect(listener)) == 200
    crowd = [await listeners.connect(listener) for _ in range(80)]
    told = 0
    for wire in crowd:
        try:
            told += (await wire.answer()).status == 503
        except (asyncio.IncompleteReadError, ConnectionError):
            continue
    assert 64 <= told < len(crowd)  # those who were told give way after a while


async def test_connections_are_counted_under_tls_too(listeners: Listeners, tmp_path: Path) -> None:
    authority, files = trustme.CA(), Files(tmp_path)
    files.issue(authority)
    listener = await listeners.start(echo, connections=1, tls=ServerTls(files.settings(), setting="gateway.tls"))
    first = await listeners.connect(listener, client(authority))
    assert await served(first) == 200
    second = await listeners.connect(listener, client(authority))
    assert (await second.answer()).status == 503
    assert await second.closed()
    assert await served(first) == 200
