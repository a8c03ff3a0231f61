"""A way from one program to another that can fail: a relay on loopback whose behaviour a test changes while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from tests.acceptance.harness.waiting import tick

CHUNK = 1 << 16
SLOW_CHUNK = 512
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"content-type: application/xml\r\ncontent-length: 46\r\nconnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message/></Error>"
)


class Mode(Enum):
    """What happens to those who take this way."""

    OPEN = auto()
    REFUSING = auto()  # nobody listens
    RESETTING = auto()  # connections are taken, and reset
    SILENT = auto()  # connections are taken, and nothing passes, as if packets were dropped
    DRIPPING = auto()  # little by little
    UNAVAILABLE = auto()  # 503 to any request
    CUTTING = auto()  # answers end in the middle


class Way:
    """Passes bytes to a loopback port and back, for as long as nothing is wrong with it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.mode = Mode.OPEN
        self._passable = asyncio.Event()
        self._passable.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End all connections and listen no more."""
        await self._close_listener()
        self.break_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def broken(self, mode: Mode) -> AsyncIterator[None]:
        """Fail in one way for the time of the block."""
        await self._set(mode)
        try:
            yield
        finally:
            await self._set(Mode.OPEN)

    def break_connections(self) -> None:
        """Reset what is open."""
        for end in list(self._ends):
            end.transport.abort()

    async def _set(self, mode: Mode) -> None:
        self.mode = mode
        if mode is Mode.SILENT:
            self._passable.clear()
            return
        self._passable.set()
        if mode is Mode.REFUSING:
            await self._close_listener()
        elif self._server is None:
            await self.start()
        if mode in {Mode.REFUSING, Mode.RESETTING, Mode.UNAVAILABLE}:
            self.break_connections()

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if self.mode is Mode.RESETTING:
                return
            if self.mode is Mode.UNAVAILABLE:
                await reader.read(CHUNK)
                writer.write(UNAVAILABLE)
                await writer.drain()
                return
            await self._passable.wait()
            await self._relay(reader, writer)
        except OSError:
            pass  # one of the two is gone, which is what this is for
        finally:
            self._ends.discard(writer)
            writer.transport.abort() if self.mode is Mode.RESETTING else writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        self._ends.add(there)
        tasks = [
            asyncio.create_task(self._pass(reader, there, answers=False)),
            asyncio.create_task(self._pass(there_reader, writer, answers=True)),
        ]
        self._tasks |= set(tasks)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks -= set(tasks)
            self._ends.discard(there)
            there.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(SLOW_CHUNK if self.mode is Mode.DRIPPING else CHUNK):
                await self._passable.wait()
                if self.mode is Mode.CUTTING and answers:
                    writer.write(data[: len(data) // 2])
                    return
                if self.mode is Mode.DRIPPING:
                    await tick(0.05)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def open_way(target: int) -> AsyncIterator[Way]:
    """Open a way, and close it whatever happens."""
    way = Way(target)
    await way.start()
    try:
        yield way
    finally:
        await way.stop()
