"""One HTTP request: what came back, or why nothing did and whether it may have arrived."""

import ssl
from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from sidecar.kit.time_limit import TimeLimits
from sidecar.kit.value_class import value_class
from sidecar.model.stored import StoredObject
from sidecar.outbound.exchange import Answer, Connector, exchange
from sidecar.outbound.sessions import Outgoing
from sidecar.outbound.streams import Source, Spill, spill_rest


class FailureKind(StrEnum):
    """Why there is no whole answer. A closed set: also labels of metrics and reasons in the ledger."""

    DNS = "dns"
    CONNECT = "connect"  # refused or unreachable
    UNSENDABLE = "unsendable"  # ours: an address or header that cannot be written
    TLS = "tls"
    POOL = "pool"  # ours: no free place in the pool in time, all connections to that host are in use
    TIMEOUT_CONNECT = "timeout_connect"  # no connection in time
    RESET = "reset"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad_response"  # not HTTP
    EGRESS = "egress"  # the egress guard let nothing be dialled


@value_class
class Reply:
    """An answer. When ``truncated``, ``body`` is not whole: it was too large, or it ended as ``broken`` says."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    truncated: bool = False
    broken: FailureKind | None = None
    stored: StoredObject | None = None  # the body, where it was too large for memory; ``body`` is empty then


@value_class
class Failure:
    """No status came back. ``sent`` is false only when certainly nothing of the request reached the other side.

    ``detail`` says in words what TLS did not accept; it holds no more of an address than its host.
    """

    kind: FailureKind
    sent: bool
    detail: str = field(default="", compare=False)


async def send(
    session: aiohttp.ClientSession,
    *,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | Source,
    timeout: float,
    max_response: int,
    spill: Spill | None = None,
) -> Reply | Failure:
    """Send one request and read its answer; redirects are not followed and nothing is repeated.

    Args:
        session: One of :mod:`sidecar.outbound.sessions`.
        method: HTTP method, as it is to appear.
        url: Absolute URL, sent exactly as given.
        headers: End-to-end headers; Host, Content-Length and, where missing, User-Agent are added.
        body: The whole body, or where it is read from.
        timeout: Seconds for everything, connecting and the response's body included.
        max_response: Bytes of the response's body that are read; beyond them the connection is closed.
        spill: Where a larger response goes; what its sink raises passes through.
    """
    outgoing, connector = Outgoing(headers, body), session.connector
    limits = connector.limits if isinstance(connector, Connector) else TimeLimits()
    response: aiohttp.ClientResponse | Answer | None = None
    parts: list[bytes] = []
    try:
        with limits.within(timeout):
            response = await _begin(session, method, url, outgoing)
            whole = await _read(response.content, parts, max_response if spill is None else spill.threshold)
            if not whole and spill is not None:
                stored = await spill_rest(response, spill, parts)
                return Reply(response.status, response.raw_headers, b"", truncated=stored is None, stored=stored)
        return Reply(response.status, response.raw_headers, _joined(parts, max_response), truncated=not whole)
    except (TimeoutError, aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        kind = _kind_of(error, sent=outgoing.sent)
        if response is None:
            # What cannot be rendered (a ValueError) is found out before the first byte is written.
            sent = outgoing.sent and not isinstance(error, ValueError)
            if kind is FailureKind.TIMEOUT_CONNECT and _crowded(session, url):
                kind = FailureKind.POOL
            return Failure(kind, sent=sent, detail=tls_fault(error) if kind is FailureKind.TLS else "")
        return Reply(response.status, response.raw_headers, _joined(parts, max_response), truncated=True, broken=kind)
    finally:
        if response is not None and not response.closed:
            response.close()


def tls_fault(error: BaseException) -> str:
    """Say what TLS did not accept, such as "certificate has expired"; empty when it did not say."""
    cause: BaseException | None = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return "" if cause is None else (cause.reason or "").replace("_", " ").lower()


def _crowded(session: aiohttp.ClientSession, url: str) -> bool:
    """Tell whether a request waited for a place in the pool; had it been connecting, it had one, and left it by now."""
    connector = session.connector
    place = connector.locate(url) if isinstance(connector, Connector) else None
    return place is not None and isinstance(connector, Connector) and connector.crowded(place[0])


async def _begin(
    session: aiohttp.ClientSession, method: str, url: str, outgoing: Outgoing
) -> aiohttp.ClientResponse | Answer:
    """Send a request and read the head of its answer; by the short way, unless its body streams or a proxy is asked."""
    connector, body = session.connector, outgoing.body
    if isinstance(body, bytes) and isinstance(connector, Connector):
        place = connector.locate(url)
        if place is not None:
            connection = await connector.connect(place[0], [], session.timeout)
            outgoing.sent = True
            return await exchange(connection, *place, method=method, headers=outgoing.headers, body=body)
    return await session.request(method, URL(url, encoded=True), data=outgoing, allow_redirects=False)


def _joined(parts: list[bytes], limit: int) -> bytes:
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    return body if len(body) <= limit else body[:limit]


def _kind_of(error: Exception, *, sent: bool) -> FailureKind:
    if isinstance(error, TimeoutError):
        return FailureKind.TIMEOUT if sent else FailureKind.TIMEOUT_CONNECT
    for known, kind in _KINDS:
        if isinstance(error, known):
            # With TLS 1.3 a server may refuse our certificate, or the lack of one, after the handshake.
            return FailureKind.TLS if kind is FailureKind.RESET and tls_fault(error) else kind
    return FailureKind.BAD_RESPONSE


# The first match counts: some of aiohttp's errors have several of these bases.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureKind], ...] = (
    (aiohttp.ClientConnectorDNSError, FailureKind.DNS),
    (aiohttp.ClientSSLError, FailureKind.TLS),
    ((aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError), FailureKind.CONNECT),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError), FailureKind.UNSENDABLE),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError), FailureKind.RESET),
)


async def _read(content: aiohttp.StreamReader, parts: list[bytes], limit: int) -> bool:
    """Read into ``parts`` until there is more than ``limit`` bytes; tells whether that was all."""
    if content.is_eof():
        body = content.read_nowait()
        parts.append(body)
        return len(body) <= limit
    left = limit
    while chunk := await content.readany():
        parts.append(chunk)
        left -= len(chunk)
        if left < 0:
            return False
    return True
