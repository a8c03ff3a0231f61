"""Answers whose bodies are too large, do not end, or break; and what becomes of their connections."""

import asyncio

import aiohttp
import pytest

from sidecar.outbound.requests import FailureKind, Reply
from tests.integration.http.scripted import (
    OK,
    Script,
    Server,
    badly_chunked,
    call,
    drip,
    reply,
)

HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
BROKEN_BODIES = {
    "huge": (drip(HUGE, b"a" * 65_536), Reply(200, (), b"a" * 10, truncated=True)),
    "endless": (drip(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65_536), Reply(200, (), b"a" * 10, truncated=True)),
    "a little too large": (
        reply(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"a" * 11),
        Reply(200, (), b"a" * 10, truncated=True),
    ),
    "just small enough": (
        reply(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"a" * 10),
        Reply(200, (), b"a" * 10),
    ),
    "stalled": (drip(HUGE + b"abc", b""), Reply(200, (), b"abc", truncated=True, broken=FailureKind.TIMEOUT)),
    "cut off": (reply(HUGE + b"abc"), Reply(200, (), b"abc", truncated=True, broken=FailureKind.RESET)),
}


@pytest.mark.parametrize(("script", "expected"), BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
async def test_a_body_that_does_not_end_well_is_bounded_and_its_status_stands(
    script: Script, expected: Reply, session: aiohttp.ClientSession, server: Server
) -> None:
    patience = 1 if expected.broken is FailureKind.TIMEOUT else 60
    answer = await call(session, await server(script), timeout=patience, max_response=10)
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body, answer.truncated) == (expected.status, expected.body, expected.truncated)
    assert answer.broken == expected.broken


async def test_a_chunk_that_cannot_be_read_ends_the_body(session: aiohttp.ClientSession, server: Server) -> None:
    seen = asyncio.Event()
    response = asyncio.create_task(call(session, await server(badly_chunked(seen)), timeout=2))
    asyncio.get_running_loop().call_later(0.5, seen.set)
    answer = await response
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body, answer.truncated) == (200, b"abc", True)
    assert answer.broken is not None


async def test_a_connection_whose_answer_was_not_read_to_its_end_is_closed(
    session: aiohttp.ClientSession, server: Server
) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HUGE + b"a" * 100)
        await reader.readexactly(2)
        await reader.read()
        closed.set()

    await call(session, await server(script), max_response=10)
    await closed.wait()


async def test_a_connection_whose_request_was_not_taken_to_its_end_is_not_used_again(
    session: aiohttp.ClientSession, server: Server
) -> None:
    connections: list[asyncio.StreamWriter] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reply(OK)(reader, writer)
        await asyncio.Event().wait()  # it reads no further

    port = await server(script)
    for _ in range(2):
        answer = await call(session, port, body=b"a" * 32_000_000)
        assert isinstance(answer, Reply)
        assert answer.status == 200
    assert len(connections) == 2
