"""How long a connection waits for a client that does not take what is written to it."""

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

PACE = 64 * 1024
"""Bytes that a client must take within each time-out, where so many wait for it."""

_BYTES_ACKED = 120  # where Linux has them in what it tells of a TCP connection, as eight bytes
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)


class Patient(RequestHandler):
    """aiohttp's connection, cut off when its client stops reading: an answer holds what it is made of until then.

    Nothing is timed while the transport takes all that is written.
    """

    __slots__ = ("_cut_off", "_parting", "_patience", "_write_timeout")

    def __init__(self, manager: web.Server, *, write_timeout: float, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._write_timeout = write_timeout
        self._patience: asyncio.TimerHandle | None = None
        self._parting = False  # the connection ends with what is still to be sent
        self._cut_off = False

    def pause_writing(self) -> None:
        """Begin to wait: much is written that the client has not taken."""
        super().pause_writing()
        if self.transport is not None:
            self._wait_on(self.transport)

    def resume_writing(self) -> None:
        """Wait no longer, but for the end of the connection."""
        super().resume_writing()
        if not self._parting:
            self._wait_no_longer()

    def force_close(self) -> None:
        """Close once all is sent, which may be never."""
        transport = self.transport
        super().force_close()
        if transport is not None:
            self._part(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._wait_no_longer()

    async def _drain_helper(self) -> None:
        await super()._drain_helper()
        if self._cut_off:
            # An aborted transport has no error of its own, and what was written would be taken for sent.
            raise ConnectionResetError("The client has stopped reading")

    def _part(self, transport: asyncio.Transport) -> None:
        """Wait for the client to take the rest on a transport that is closing."""
        self._parting = True
        if self._patience is None and _unsent(transport):
            self._wait_on(transport)

    def _wait_on(self, transport: asyncio.Transport) -> None:
        self._patience = self._loop.call_later(self._write_timeout, self._look, transport, _taken(transport))

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _look(self, transport: asyncio.Transport, before: int) -> None:
        if _taken(transport) - before >= PACE:
            self._wait_on(transport)
            return
        self._patience = None
        self._cut_off = True
        transport.abort()


def _taken(transport: asyncio.Transport) -> int:
    """Measure what the client has taken; only the difference of two measures says something.

    The system asks for more only when a good part of what it has itself is gone, and TLS passes on much at once: our
    own buffer alone would not tell a slow client from one that has stopped.
    """
    return _acknowledged(transport) - _unsent(transport)


def _unsent(transport: asyncio.Transport) -> int:
    try:
        return transport.get_write_buffer_size()
    except AttributeError:  # asyncio's TLS, which forgets what it was made of when it is closed once more
        return 0


def _acknowledged(transport: asyncio.Transport) -> int:
    connection = transport.get_extra_info("socket")
    if connection is None or _TCP_INFO is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED + 8)
        (acknowledged,) = struct.unpack_from("=Q", info, _BYTES_ACKED)
    except (OSError, struct.error):
        return 0
    return int(acknowledged)
