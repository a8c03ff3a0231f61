"""One request against servers that behave, and against servers that do not."""

import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from sidecar.outbound.exchange import USER_AGENT
from sidecar.outbound.requests import Failure, FailureKind, Reply, send
from sidecar.outbound.sessions import webhook_session
from tests.integration.http.scripted import (
    OK,
    Script,
    Server,
    call,
    drip,
    reply,
    reset,
    silent,
)


async def test_a_request_arrives_as_given_and_the_answer_comes_back_raw(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        headers = [(name.decode().lower(), value.decode()) for name, value in request.raw_headers]
        seen.append((request.method, request.raw_path, headers, await request.read()))
        return web.Response(body=b"\x1f\x8bx", headers={"Content-Encoding": "gzip", "X-A": "1", "Set-Cookie": "a=b"})

    runner = web.ServerRunner(web.Server(handler, auto_decompress=False))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        path = "/a%2Fb/./%7e//c;d?q=%20+&q=2&e"
        for _ in range(2):
            answer = await call(
                session, site.port, path=path, headers=[("X-B", "1"), ("x-b", "2"), ("Content-Type", "x/y")]
            )
            assert isinstance(answer, Reply)
            assert (answer.status, answer.body, answer.truncated) == (200, b"\x1f\x8bx", False)
            assert (b"X-A", b"1") in answer.headers
        method, target, headers, body = seen[1]
        assert (method, target, body) == ("POST", path, b"{}")
        assert headers == [
            ("host", f"127.0.0.1:{site.port}"),
            ("x-b", "1"),
            ("x-b", "2"),
            ("content-type", "x/y"),
            ("user-agent", USER_AGENT),
            ("content-length", "2"),
        ]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("POST", b"", "0"), ("DELETE", b"x", "1"), ("PATCH", b"", "0")],
)
async def test_nothing_is_added_to_the_headers_but_host_length_and_who_we_are(
    method: str, body: bytes, length: str | None, session: aiohttp.ClientSession, server: Server
) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reply(OK)(reader, writer)

    port = await server(script, read_head=False)
    answer = await call(session, port, method=method, body=body, headers=[("User-Agent", "caller/1")])
    assert isinstance(answer, Reply)
    names = {line.split(b": ")[0].lower(): line.split(b": ")[1] for line in heads[0].split(b"\r\n")[1:-2]}
    expected = {b"host": f"127.0.0.1:{port}".encode(), b"user-agent": b"caller/1"}
    assert names == expected | ({} if length is None else {b"content-length": length.encode()})


async def test_redirects_are_not_followed(session: aiohttp.ClientSession, server: Server) -> None:
    port = await server(reply(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"))
    answer = await call(session, port)
    assert isinstance(answer, Reply)
    assert answer.status == 302


async def test_a_refused_connection_sent_nothing(session: aiohttp.ClientSession) -> None:
    closed = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    assert await call(session, port) == Failure(FailureKind.CONNECT, sent=False)


async def test_an_unknown_host_sent_nothing(session: aiohttp.ClientSession) -> None:
    assert await call(session, 80, host="no-such-host.invalid") == Failure(FailureKind.DNS, sent=False)


@pytest.mark.parametrize("url", ["http:///x", "ftp://here/x", "/x", "http://here:99999/x", ""])
async def test_an_unusable_address_sent_nothing(url: str, session: aiohttp.ClientSession) -> None:
    answer = await send(session, method="POST", url=url, headers=[], body=b"", timeout=60, max_response=1)
    assert answer == Failure(FailureKind.UNSENDABLE, sent=False)


@pytest.mark.parametrize("header", [("X-A", "1\r\nX-B: 2"), ("X-A\n", "1")])
async def test_a_header_that_cannot_be_sent_sends_nothing(
    header: tuple[str, str], session: aiohttp.ClientSession, server: Server
) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heads.append(await reader.read())

    port = await server(script, read_head=False)
    assert await call(session, port, headers=[header]) == Failure(FailureKind.UNSENDABLE, sent=False)
    assert b"".join(heads) == b""


@pytest.mark.parametrize(("connect", "total"), [(1.0, 60), (60, 0.1)], ids=["connect", "total"])
async def test_no_place_in_the_pool_in_time_sent_nothing(connect: float, total: float, server: Server) -> None:
    port = await server(silent)
    async with webhook_session(connect_timeout=connect, per_host=1) as session:
        holder = asyncio.create_task(call(session, port))
        await asyncio.sleep(0)
        assert await call(session, port, timeout=total) == Failure(FailureKind.POOL, sent=False)
        holder.cancel()
        with suppress(asyncio.CancelledError):
            await holder


async def test_a_connection_that_is_not_made_in_time_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        address = listener.getsockname()
        first.connect(address)  # nobody accepts, so that the next one waits for a place in the backlog
        async with webhook_session(connect_timeout=0.3, per_host=1) as session:
            answers = await asyncio.gather(*(call(session, address[1], timeout=60) for _ in range(2)))
    kinds = {answer.kind for answer in answers if isinstance(answer, Failure)}
    assert FailureKind.TIMEOUT_CONNECT in kinds
    assert all(isinstance(answer, Failure) and not answer.sent for answer in answers)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (silent, Failure(FailureKind.TIMEOUT, sent=True)),
        (drip(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"), Failure(FailureKind.TIMEOUT, sent=True)),
        (reset, Failure(FailureKind.RESET, sent=True)),
        (reply(b""), Failure(FailureKind.RESET, sent=True)),
        (reply(b"HTTP/1.1 200"), Failure(FailureKind.RESET, sent=True)),
        (reply(b"HTTP/1.1 200 OK\r\nContent-Le"), Failure(FailureKind.RESET, sent=True)),
        (reply(b"SSH-2.0-OpenSSH_9.2\r\n"), Failure(FailureKind.BAD_RESPONSE, sent=True)),
        (reply(b"HTTP/1.1 2x0 OK\r\n\r\n"), Failure(FailureKind.BAD_RESPONSE, sent=True)),
        (reply(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Failure(FailureKind.BAD_RESPONSE, sent=True)),
        (reply(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"), Failure(FailureKind.BAD_RESPONSE, sent=True)),
    ],
    ids=[
        "silent",
        "dripping head",
        "reset",
        "closed",
        "half a status line",
        "half a header",
        "not HTTP",
        "bad status",
        "bad length",
        "huge header",
    ],
)
async def test_silence_after_sending_counts_as_sent(
    script: Script, expected: Failure, session: aiohttp.ClientSession, server: Server
) -> None:
    patience = 1 if expected.kind is FailureKind.TIMEOUT else 60
    assert await call(session, await server(script), timeout=patience) == expected


async def test_a_kept_connection_that_breaks_is_not_sent_twice(session: aiohttp.ClientSession, server: Server) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply(OK)(reader, writer)
        heads.append(await reader.readuntil(b"\r\n\r\n"))

    port = await server(script)
    assert isinstance(await call(session, port, method="GET", body=b""), Reply)
    assert await call(session, port, method="GET", body=b"") == Failure(FailureKind.RESET, sent=True)
    assert len(heads) == 1


async def test_interim_answers_are_passed_over(session: aiohttp.ClientSession, server: Server) -> None:
    port = await server(reply(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
    answer = await call(session, port)
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body) == (200, b"ok")


async def test_a_url_without_a_path_goes_to_its_own_host(session: aiohttp.ClientSession, server: Server) -> None:
    lines: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        await reply(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")(reader, writer)

    port = await server(script, read_head=False)
    for path in ("/", "", "?a=/b", "/c?d#e"):  # the first makes the origin known
        assert isinstance(await call(session, port, path=path), Reply)
    assert lines == [b"POST / HTTP/1.1", b"POST / HTTP/1.1", b"POST /?a=/b HTTP/1.1", b"POST /c?d HTTP/1.1"]


async def test_the_environment_s_proxy_is_not_used(
    session: aiohttp.ClientSession, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert isinstance(await call(session, await server(reply(OK))), Reply)


async def test_cancelling_a_request_closes_its_connection(session: aiohttp.ClientSession, server: Server) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        closed.set()

    task = asyncio.create_task(call(session, await server(script)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed.wait()
