"""A client on a bare socket, which sends bytes as they are, and listeners for it."""

import asyncio
import io
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sidecar.telemetry.log import make_log
from sidecar.web.home import Limits
from sidecar.web.server import Handler, Listener, serve
from sidecar.web.tls import ServerTls

Start = Callable[..., Awaitable[Listener]]


@dataclass(frozen=True)
class Answer:
    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, object]:
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, object] = json.loads(self.body)
        return document


class Wire:
    """A client that sends bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode().rstrip().split("\r\n")
        version, status, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = 0 if head else int(headers.get("content-length", "0"))
        return Answer(version, int(status), headers, await self.reader.readexactly(length))

    async def closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except (ConnectionResetError, ssl.SSLError):
            return True


class Listeners:
    """Starts listeners, and stops all of them."""

    def __init__(self) -> None:
        self._running: list[Listener] = []
        self._wires: list[Wire] = []

    async def start(self, handler: Handler, *, tls: ServerTls | None = None, **limits: float) -> Listener:
        log = make_log("json", "info", io.BytesIO())
        bounds = Limits(**limits)  # type: ignore[arg-type]  # the names are checked by the constructor
        listener = await serve(handler, name="test", host="127.0.0.1", port=0, log=log, limits=bounds, tls=tls)
        self._running.append(listener)
        return listener

    async def connect(self, listener: Listener, tls: ssl.SSLContext | None = None) -> Wire:
        name = None if tls is None else "localhost"
        wire = Wire(*await asyncio.open_connection("127.0.0.1", listener.port, ssl=tls, server_hostname=name))
        self._wires.append(wire)
        return wire

    async def stop(self) -> None:
        for wire in self._wires:
            wire.writer.close()
        for listener in self._running:
            await listener.stop(0.1)


def head(*lines: str, line: str = "POST /x HTTP/1.1", host: str | None = "here") -> bytes:
    hosts = () if host is None else (f"Host: {host}",)
    return "\r\n".join((line, *hosts, *lines, "", "")).encode("latin-1")
