"""A name server on loopback, whose answers can be changed while it runs: DNS over UDP, addresses only."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

_A, _AAAA, _NXDOMAIN = 1, 28, 3


class NameServer(asyncio.DatagramProtocol):
    """Answers for ``records``; asked for anything else, it says that there is no such name."""

    def __init__(self) -> None:
        self.records: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name(data)
        kind = struct.unpack_from("!H", data, end)[0]
        self.asked.append(name)
        known = self.records.get(name)
        packed = [ip_address(text).packed for text in known or ()]
        fitting = [one for one in packed if len(one) == {_A: 4, _AAAA: 16}.get(kind)]
        head = struct.pack("!2sHHHHH", data[:2], 0x8580 | (0 if known else _NXDOMAIN), 1, len(fitting), 0, 0)
        answers = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in fitting)
        assert self._transport is not None
        self._transport.sendto(head + data[12 : end + 4] + answers, addr)

    def connection_lost(self, exc: Exception | None) -> None:
        assert exc is None
        self._closed.set()

    async def stop(self) -> None:
        assert self._transport is not None
        self._transport.close()
        await self._closed.wait()


def _name(data: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    server = NameServer()
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        await server.stop()
