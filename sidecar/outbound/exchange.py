"""One request whose body is in memory: aiohttp's connections and parser, without its session's way to them.

aiohttp prepares each request anew: it takes the URL apart, builds a request, a payload, a writer and a response, and
copies the headers on the way. Calls and messages go to few origins, over and over; what an origin needs is made once
here, and a request is then one text and one write. Pooling, connecting, name resolution, TLS and parsing are aiohttp's.
"""

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from aiohttp import ClientRequest, hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict
from yarl import URL

from sidecar import __version__
from sidecar.kit.time_limit import TimeLimits

USER_AGENT = f"wso2-mediation-sidecar/{__version__}"

MAX_FIELD = 32 * 1024
"""Bytes of one response header, as on the listeners."""

_ORIGINS = 1024  # that are remembered: webhooks' come from strangers, so there is an end to it
_JOINED = 64 * 1024  # bytes of a body up to which it is copied behind its head, so that both go out in one piece
_FIRST_FINAL = 200  # RFC 9110, section 15: smaller statuses are interim answers
_AGENT = b"User-Agent: %b\r\n" % USER_AGENT.encode()
_LENGTHLESS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_TRACE})


class Origin(ClientRequest):
    """Where requests go: what a connector asks a request for, which is the same for all of one origin."""

    def __init__(self, url: URL) -> None:
        super().__init__(hdrs.METH_GET, url)
        self.host_field = (hdrs.HOST, url.host_port_subcomponent or "")
        self._key = super().connection_key

    @property
    def connection_key(self) -> ConnectionKey:
        """What connections to this origin are pooled under."""
        return self._key


class Connector(aiohttp.TCPConnector):
    """A pool of connections that remembers the origins which they lead to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.limits = TimeLimits()
        self._origins: dict[str, Origin] = {}

    def crowded(self, origin: Origin) -> bool:
        """Tell whether every connection to an origin that there may be is in use."""
        return self._available_connections(origin.connection_key) <= 0

    def locate(self, url: str) -> tuple[Origin, str] | None:
        """Split an absolute URL into its origin and the target on it; None for what is left to aiohttp."""
        slash = url.find("/", url.find("://") + 3)
        if slash < 0:
            return None
        if len(self._origins) > _ORIGINS:
            self._origins.clear()
        place = url[:slash]
        origin = self._origins.get(place)
        if origin is None:
            if not place.startswith(("http://", "https://")) or not place.isascii() or "@" in place:
                return None
            parsed = URL(place, encoded=True)
            if not parsed.raw_host or parsed.raw_query_string or parsed.raw_fragment:
                return None
            origin = self._origins[place] = Origin(parsed)
        return origin, url[slash:].partition("#")[0]


class Answer:
    """The head of a response; its body is still to be read from ``content``."""

    __slots__ = ("_connection", "content", "raw_headers", "status")

    def __init__(
        self,
        connection: Connection,
        status: int,
        raw_headers: tuple[tuple[bytes, bytes], ...],
        content: aiohttp.StreamReader,
    ) -> None:
        self._connection = connection
        self.status = status
        self.raw_headers = raw_headers
        self.content = content

    @property
    def closed(self) -> bool:
        """Whether the connection is back in the pool, or closed."""
        return self._connection.protocol is None

    def close(self) -> None:
        """Give the connection back; one on which anything of this exchange is still to come is closed."""
        transport = self._connection.transport
        if transport is None or transport.get_write_buffer_size() or not self.content.is_eof():
            self._connection.close()
        else:
            self._connection.release()


async def exchange(
    connection: Connection, origin: Origin, target: str, *, method: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Answer:
    """Write a request and read the head of its answer; the connection is the answer's then, and else closed.

    Raises:
        aiohttp.ClientError: Something broke; part of the request may have been sent.
        aiohttp.http.HttpProcessingError: The answer is not HTTP.
        ValueError: A header cannot be sent; nothing was.
    """
    try:
        protocol, transport = _ends(connection)
        head = _head(origin, f"{method} {target} HTTP/1.1", method, headers, len(body))
        protocol.set_response_params(
            skip_payload=method == hdrs.METH_HEAD,
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=MAX_FIELD,
            max_field_size=MAX_FIELD,
        )
        if len(body) <= _JOINED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        message, content = await protocol.read()
        while message.code < _FIRST_FINAL and message.code != HTTPStatus.SWITCHING_PROTOCOLS:
            message, content = await protocol.read()
    except BaseException:
        connection.close()
        raise
    return Answer(connection, message.code, message.raw_headers, content)


def _ends(connection: Connection) -> tuple[ResponseHandler, asyncio.Transport]:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("the connection is closing")
    return protocol, transport


class _Fields(list[tuple[str, str]]):
    """Header fields in order and with repetitions, as aiohttp's serialiser takes them."""

    def items(self) -> Sequence[tuple[str, str]]:
        return self


def _head(origin: Origin, line: str, method: str, headers: Iterable[tuple[str, str]], size: int) -> bytes:
    """Render request line and headers: Host first (RFC 9110, 7.2), then those given, then what they lack."""
    fields = cast("CIMultiDict[str]", _Fields((origin.host_field, *headers)))  # all it does is to go through the items
    head = _serialize_headers(line, fields)
    more = b"" if b"\r\nuser-agent:" in head.lower() else _AGENT
    if size or method not in _LENGTHLESS:
        more += b"Content-Length: %d\r\n" % size
    return b"%b%b\r\n" % (head[:-2], more)
