"""The two client sessions: one for services, one for webhooks, so that neither starves the other of connections."""

import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import ClientRequest, ClientResponse, hdrs
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict
from yarl import URL

from sidecar.model.errors import ConfigError
from sidecar.outbound.exchange import MAX_FIELD, USER_AGENT, Connector
from sidecar.outbound.streams import Source, SourcePayload

_DNS_TTL = 30  # seconds
# Seconds that an idle connection is kept. Most servers wait longer; a connection that the server closes just as
# we send leaves it open whether the request arrived.
_KEEP_ALIVE = 15.0


@dataclass(frozen=True, slots=True)
class Dialling:
    """How connections are made where strangers name the hosts: who resolves names, and who makes each socket."""

    resolver: AbstractResolver
    open_socket: Callable[[tuple[Any, ...]], socket.socket]


@dataclass(slots=True)
class Outgoing:
    """A request on its way; ``sent`` is false as long as certainly nothing of it reached a connection."""

    headers: Iterable[tuple[str, str]]
    body: bytes | Source
    sent: bool = False


class PlainRequest(ClientRequest):
    """A request with the headers that it was given, and Host, Content-Length and, where missing, User-Agent.

    It takes an :class:`Outgoing` as ``data``. The session's own way with headers would add Accept and
    Accept-Encoding, lose repeated names that differ in case, and copy all of them twice.
    """

    def __init__(self, method: str, url: URL, *, data: Outgoing, **options: Any) -> None:
        self._outgoing = data
        body = data.body if isinstance(data.body, bytes) else SourcePayload(data.body)
        super().__init__(method, url, data=body or None, **options)

    def update_headers(self, headers: LooseHeaders | None) -> None:  # noqa: ARG002
        """Take the headers over, Host first (RFC 9110, 7.2)."""
        self.headers = CIMultiDict(((hdrs.HOST, self.url.host_port_subcomponent or ""),))
        self.headers.extend(self._outgoing.headers)

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:  # noqa: ARG002
        """Say who asks, and add nothing else, no default Content-Type for a body either."""
        if hdrs.USER_AGENT not in self.headers:
            self.headers[hdrs.USER_AGENT] = USER_AGENT
        self._skip_auto_headers = CIMultiDict(((hdrs.CONTENT_TYPE, None),))

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the request; from here on it may have arrived."""
        self._outgoing.sent = True
        return await super().send(conn)


def service_session(
    *, connect_timeout: float, per_host: int = 0, ca_file: Path | None = None, proxy: str | None = None
) -> aiohttp.ClientSession:
    """Open the session for services.

    Args:
        connect_timeout: Seconds to a connection: a free place in the pool, DNS, TCP and TLS.
        per_host: Most connections to one host; 0 is no limit.
        ca_file: PEM file of authorities that are trusted besides the system's.
        proxy: URL of an HTTP proxy; the environment's is never used.
    """
    return _session(connect_timeout=connect_timeout, per_host=per_host, limit=0, ca_file=ca_file, proxy=proxy)


def webhook_session(
    *,
    connect_timeout: float,
    per_host: int,
    total: int = 0,
    ca_file: Path | None = None,
    proxy: str | None = None,
    tls: ssl.SSLContext | None = None,
    dialling: Dialling | None = None,
) -> aiohttp.ClientSession:
    """Open a session for webhooks; ``total`` bounds the connections in all, the rest is as for services.

    ``tls`` stands in place of ``ca_file``: it shows a client certificate, so that this session is one identity's own.
    ``dialling`` is the egress guard's part in it; with a proxy it is the proxy that connects.
    """
    return _session(
        connect_timeout=connect_timeout,
        per_host=per_host,
        limit=total,
        ca_file=ca_file,
        proxy=proxy,
        tls=tls,
        dialling=dialling,
    )


def upload_session(
    *,
    connect_timeout: float,
    ca_file: Path | None = None,
    proxy: str | None = None,
    dialling: Dialling | None = None,
) -> aiohttp.ClientSession:
    """Open the session for the callers' own upload-urls, which stream: its requests are aiohttp's ordinary ones."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusting(ca_file) if ca_file is not None else True, **_ways(dialling)),
        headers={hdrs.USER_AGENT: USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
        auto_decompress=False,
        trust_env=False,
        proxy=proxy,
    )


def _session(
    *,
    connect_timeout: float,
    per_host: int,
    limit: int,
    ca_file: Path | None,
    proxy: str | None,
    tls: ssl.SSLContext | None = None,
    dialling: Dialling | None = None,
) -> aiohttp.ClientSession:
    # A proxy is aiohttp's business, request by request; without one its connector is asked directly.
    connector = (Connector if proxy is None else aiohttp.TCPConnector)(
        limit=limit,
        limit_per_host=per_host,
        keepalive_timeout=_KEEP_ALIVE,
        ssl=tls or (trusting(ca_file) if ca_file is not None else True),
        **_ways(dialling),
    )
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=PlainRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout, ceil_threshold=float("inf")),
        auto_decompress=False,
        trust_env=False,
        max_line_size=MAX_FIELD,
        max_field_size=MAX_FIELD,
        proxy=proxy,
    )
    # aiohttp would send GET, PUT or DELETE a second time by itself when a kept connection breaks. Whether a
    # request may be repeated is decided by the caller, who also counts the attempts.
    session._retry_connection = False  # noqa: SLF001 - there is no public switch
    return session


def _ways(dialling: Dialling | None) -> dict[str, Any]:
    """Say how a connector resolves and connects; a guard's resolver keeps its answers itself."""
    if dialling is None:
        return {"ttl_dns_cache": _DNS_TTL}
    return {"use_dns_cache": False, "resolver": dialling.resolver, "socket_factory": dialling.open_socket}


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Make a client's context that trusts the system's authorities, and those of a PEM file.

    Raises:
        ConfigError: The file cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (ssl.SSLError, OSError) as error:
            why = (
                error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else "it holds no certificate"
            )
            raise ConfigError(f"{ca_file}: cannot be used as authorities for TLS; {why}") from error
    return context
