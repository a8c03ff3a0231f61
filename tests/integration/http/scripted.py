"""Servers that run a script for each connection, and one request to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from sidecar.outbound.requests import Failure, Reply, send

TLS = Path(__file__).parent / "tls"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Server = Callable[..., Awaitable[int]]


@asynccontextmanager
async def serving_scripts() -> AsyncIterator[Server]:
    """Start raw servers that run a script for each connection, once a request's head is read."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(script: Script, *, tls: ssl.SSLContext | None = None, read_head: bool = True) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if read_head:
                    await reader.readuntil(b"\r\n\r\n")
                await script(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # some clients here go away on purpose
            finally:
                writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

        servers.append(await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    try:
        yield start
    finally:
        for running in servers:
            running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def call(
    session: aiohttp.ClientSession,
    port: int,
    *,
    method: str = "POST",
    host: str = "127.0.0.1",
    scheme: str = "http",
    path: str = "/x",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"{}",
    timeout: float = 60,
    max_response: int = 4096,
) -> Reply | Failure:
    return await send(
        session,
        method=method,
        url=f"{scheme}://{host}:{port}{path}",
        headers=headers,
        body=body,
        timeout=timeout,
        max_response=max_response,
    )


def reply(data: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return script


def badly_chunked(seen: asyncio.Event) -> Script:
    """Send a good chunk; and a bad one when ``seen`` tells that the client has the first."""

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await seen.wait()
        writer.write(b"zz\r\n")
        await writer.drain()

    return script


def drip(begin: bytes, drop: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.01)

    return script


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
