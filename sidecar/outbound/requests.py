"""One HTTP request: what came back, or why nothing did and whether it may have arrived."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
from yarl import URL


class FailureKind(StrEnum):
    """Why there is no whole answer. A closed set: also labels of metrics and reasons in the ledger."""

    DNS = "dns"
    CONNECT = "connect"  # refused, unreachable, or an address or header that cannot be sent at all
    TLS = "tls"
    TIMEOUT_CONNECT = "timeout_connect"  # no connection in time, waiting for a free one included
    RESET = "reset"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad_response"  # not HTTP


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. When ``truncated``, ``body`` is not whole: it was too large, or it ended as ``broken`` says."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    truncated: bool = False
    broken: FailureKind | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """No status came back. ``sent`` is false only when certainly nothing of the request reached the other side."""

    kind: FailureKind
    sent: bool


async def send(
    session: aiohttp.ClientSession,
    *,
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    timeout: float,
    max_response: int,
) -> Reply | Failure:
    """Send one request and read its answer; redirects are not followed and nothing is repeated.

    Args:
        session: One of :mod:`sidecar.outbound.sessions`.
        method: HTTP method, as it is to appear.
        url: Absolute URL, sent exactly as given.
        headers: End-to-end headers; Host and Content-Length are added.
        body: The whole body.
        timeout: Seconds for everything, connecting and the response's body included.
        max_response: Bytes of the response's body that are read; beyond them the connection is closed.
    """
    response: aiohttp.ClientResponse | None = None
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(timeout):
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=headers if isinstance(headers, list) else list(headers),
                data=body or None,
                allow_redirects=False,
                timeout=_timeouts(session, timeout),
            )
            whole = await _read(response.content, parts, max_response)
        return Reply(response.status, response.raw_headers, b"".join(parts), truncated=not whole)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        failure = failure_of(error)
        if response is None:
            return failure
        return Reply(response.status, response.raw_headers, b"".join(parts), truncated=True, broken=failure.kind)
    finally:
        if response is not None and not response.closed:
            response.close()


def failure_of(error: Exception) -> Failure:
    """Classify what aiohttp raised. Whatever is not known to precede the request counts as sent."""
    for known, kind, sent in _KINDS:
        if isinstance(error, known):
            return Failure(kind, sent)
    return Failure(FailureKind.BAD_RESPONSE, sent=True)


# The first match counts: some of aiohttp's errors have several of these bases.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureKind, bool], ...] = (
    (aiohttp.ConnectionTimeoutError, FailureKind.TIMEOUT_CONNECT, False),
    (aiohttp.ClientConnectorDNSError, FailureKind.DNS, False),
    (aiohttp.ClientSSLError, FailureKind.TLS, False),
    (aiohttp.ServerFingerprintMismatch, FailureKind.TLS, False),
    (aiohttp.ClientConnectorError, FailureKind.CONNECT, False),
    (aiohttp.ClientHttpProxyError, FailureKind.CONNECT, False),
    (TimeoutError, FailureKind.TIMEOUT, True),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError), FailureKind.RESET, True),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), FailureKind.CONNECT, False),
    # aiohttp refuses control characters and what is no text while it renders the head, before a byte is written.
    (ValueError, FailureKind.CONNECT, False),
)


def _timeouts(session: aiohttp.ClientSession, timeout: float) -> aiohttp.ClientTimeout:
    """Let connecting end well before the whole, so that running out of time there is never taken for *sent*."""
    timeouts = session.timeout
    longest = timeout / 2
    if timeouts.connect is not None and timeouts.connect <= longest:
        return timeouts
    return aiohttp.ClientTimeout(total=None, connect=longest, ceil_threshold=float("inf"))


async def _read(content: aiohttp.StreamReader, parts: list[bytes], limit: int) -> bool:
    """Read at most ``limit`` bytes into ``parts``; tells whether that was all."""
    if content.is_eof():
        body = content.read_nowait()
        parts.append(body[:limit])
        return len(body) <= limit
    left = limit
    while chunk := await content.readany():
        parts.append(chunk[:left])
        left -= len(chunk)
        if left < 0:
            return False
    return True
