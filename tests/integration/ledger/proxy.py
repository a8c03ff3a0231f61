"""A way to the database that can lose an answer: the statement is committed, and nobody is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class LossyWay:
    """Passes bytes between clients and the server, until told to lose the next answer or to be cut."""

    def __init__(self, dsn: str) -> None:
        self._parts = urlsplit(dsn)
        self._losing = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()
        self.dsn = ""

    def lose_next_answer(self) -> None:
        """End the connection on which the server answers next, in place of passing the answer on."""
        self._losing = True
        self.lost.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._open |= {writer, upstream}
        there = asyncio.create_task(self._pass(reader, upstream, answers=False))
        back = asyncio.create_task(self._pass(upstream_reader, writer, answers=True))
        self._tasks |= {there, back}
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        self._tasks -= {there, back}
        self._open -= {writer, upstream}
        for end in (writer, upstream):
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if answers and self._losing:
                    self._losing = False
                    self.lost.set()
                    return
                writer.write(data)
                await writer.drain()

    async def until_idle(self) -> None:
        """Wait until all connections have ended."""
        async with asyncio.timeout(60):
            while self._tasks:
                await asyncio.wait(set(self._tasks))
                await asyncio.sleep(0)


@asynccontextmanager
async def lossy_way(dsn: str) -> AsyncIterator[LossyWay]:
    way = LossyWay(dsn)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(dsn)
    way.dsn = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    try:
        yield way
    finally:
        server.close()
        await way.until_idle()
        await server.wait_closed()
