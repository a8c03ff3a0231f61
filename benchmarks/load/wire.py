"""As much of HTTP/1.1 as the load generator needs, and no more, so that it never is what limits a run.

Bodies have a Content-Length, connections are kept, requests are not pipelined.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast
from weakref import WeakSet

HEAD_END = b"\r\n\r\n"


class WireError(ConnectionError):
    """The other side closed the connection, or sent what this reader does not know."""


def field(head: bytes, name: bytes) -> bytes | None:
    """Find a header's value; ``name`` is lower-case."""
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


def split(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Cut the first message off: its head, its body, and what follows; ``None`` while it is incomplete.

    Raises:
        WireError: The body is not framed by a Content-Length.
    """
    end = buffer.find(HEAD_END)
    if end < 0:
        return None
    head, start = buffer[:end], end + len(HEAD_END)
    if field(head, b"transfer-encoding") is not None:
        raise WireError("a chunked body")
    stop = start + int(field(head, b"content-length") or 0)
    if len(buffer) < stop:
        return None
    return head, buffer[start:stop], buffer[stop:]


class Served(asyncio.Protocol):
    """The server side of one connection: each request is answered with what ``answer`` returns.

    That is asked at once, or so many seconds later (``takes``) if the other side is still there.
    """

    def __init__(self, answer: Callable[[bytes, bytes], bytes], takes: float = 0.0) -> None:
        self._answer = answer
        self._takes = takes
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while self._transport is not None and (message := split(self._buffer)) is not None:
            head, body, self._buffer = message
            if self._takes:
                asyncio.get_running_loop().call_later(self._takes, self._reply, head, body)
            else:
                self._reply(head, body)

    def _reply(self, head: bytes, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._answer(head, body))

    def abort(self) -> None:
        """Close without an answer."""
        if self._transport is not None:
            self._transport.abort()


class Place:
    """A port of this machine where requests are answered; it can go away and come back at the same port."""

    def __init__(self, answer: Callable[[bytes, bytes], bytes]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._served: WeakSet[Served] = WeakSet()
        self.port = 0
        self.takes = 0.0

    async def open(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.get_running_loop().create_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        """Refuse connections, and break those that are open."""
        if self._server is not None:
            self._server.close()
        for served in list(self._served):
            served.abort()

    def _serve(self) -> Served:
        served = Served(self._answer, self.takes)
        self._served.add(served)
        return served


class Client(asyncio.Protocol):
    """The client side of one connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Connect to a port of this machine."""
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where requests go."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits for an answer."""
        self.closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or WireError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Hand the answer over once it is complete."""
        self._buffer += data
        message = split(self._buffer)
        if message is not None and self._waiter is not None and not self._waiter.done():
            head, body, self._buffer = message
            self._waiter.set_result((int(head[9:12]), body))

    def request(self, message: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Send one request; the future gives status and body.

        Raises:
            WireError: The connection is closed.
        """
        if self.closed or self._transport is None:
            raise WireError("the connection is closed")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return self._waiter

    def close(self) -> None:
        """Close; safe to call twice."""
        if self._transport is not None:
            self._transport.close()


class Pool:
    """Kept connections to one port: as many as there were requests at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Client] = []

    async def request(self, message: bytes) -> tuple[int, bytes]:
        """Send one request on a connection that is free, or on a new one."""
        client = self._take() or await Client.connect(self._port)
        answer = await client.request(message)
        self._idle.append(client)
        return answer

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Client | None:
        while self._idle:
            client = self._idle.pop()
            if not client.closed:
                return client
        return None


async def request_any(pools: Iterable[Pool], message: bytes) -> tuple[int, bytes]:
    """Send one request to the first of these ports where somebody takes the connection, as a balancer does.

    Raises:
        WireError: The connection was closed before there was an answer.
        OSError: Nobody takes a connection.
    """
    refused: OSError = ConnectionRefusedError("there is no port")
    for pool in pools:
        try:
            return await pool.request(message)
        except ConnectionRefusedError as error:
            refused = error
    raise refused
