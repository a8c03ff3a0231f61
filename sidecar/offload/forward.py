"""A stored result on its way to the caller's own object: PUT to the ``upload-url`` that came with the request."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.offload.store import ObjectStore

LARGEST: Final = 5 * 1024**3  # bytes; S3's limit for one PUT
ANSWER: Final = 4096  # bytes of an answer that are looked at
_SIGNED_HEADERS: Final = ("X-Amz-SignedHeaders", "X-Goog-SignedHeaders")
_EXPIRED: Final = (b"Request has expired", b"ExpiredToken", b"<Code>RequestExpired")
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})


class Obstacle(StrEnum):
    """Why a result could not be put."""

    EXPIRED = "upload_expired"  # the URL's time is over
    REFUSED = "upload_refused"  # any other answer that a repetition does not change
    TOO_LARGE = "upload_too_large"  # one PUT takes 5 GiB
    UNAVAILABLE = "upload_unavailable"  # overloaded or broken, by its own account
    UNREACHABLE = "upload_unreachable"  # no answer: DNS, TLS, refused, reset
    TIMEOUT = "upload_timeout"
    NOT_ALLOWED = "upload_not_allowed"  # the egress guard does not let us go there


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The object is there."""

    etag: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not, or nobody knows; a PUT may be repeated as it is."""

    reason: Obstacle
    status: int | None = None

    @property
    def may_pass(self) -> bool:
        """Whether a repetition can help."""
        return self.reason in {Obstacle.UNAVAILABLE, Obstacle.UNREACHABLE, Obstacle.TIMEOUT}


async def forward(
    store: ObjectStore,
    stored: StoredObject,
    url: str,
    *,
    session: aiohttp.ClientSession,
    content_type: str | None,
    content_encoding: str | None,
    timeout: float,
) -> Uploaded | Failed:
    """Put the stored bytes, as they are, to a pre-signed URL.

    Args:
        store: Where the object lies.
        stored: The object.
        url: The pre-signed URL, used to the letter.
        session: An ordinary session (its own request class), which guards where connections go.
        content_type: The body's type, told where the signature allows it.
        content_encoding: The stored bytes' encoding, likewise.
        timeout: Seconds for all of it.

    Raises:
        OffloadError: Our own store failed, so the caller's is not to blame.
    """
    if stored.stored_size > LARGEST:
        return Failed(Obstacle.TOO_LARGE)
    try:
        async with asyncio.timeout(timeout), store.read_raw(stored) as raw:
            return await put_pieces(
                url,
                raw.chunks(),
                size=stored.stored_size,
                session=session,
                content_type=content_type,
                content_encoding=content_encoding,
                timeout=timeout,
            )
    except TimeoutError:
        return Failed(Obstacle.TIMEOUT)


async def put_pieces(
    url: str,
    pieces: AsyncGenerator[bytes, None],
    *,
    size: int,
    session: aiohttp.ClientSession,
    content_type: str | None,
    content_encoding: str | None,
    timeout: float,
) -> Uploaded | Failed:
    """Put ``size`` bytes that come in pieces; the rest is as for :func:`forward`.

    Raises:
        OffloadError: Our own store, which the pieces come from, failed.
    """
    if size > LARGEST:
        return Failed(Obstacle.TOO_LARGE)
    headers = {"Content-Length": str(size)}
    headers |= content_headers(url, content_type=content_type, content_encoding=content_encoding)
    source = _Source(pieces)
    try:
        async with asyncio.timeout(timeout):
            return await _put(session, url, headers, source)
    except aiohttp.ClientError:
        if source.error is not None:
            raise source.error from None
        return Failed(Obstacle.UNREACHABLE)
    except TimeoutError:
        return Failed(Obstacle.TIMEOUT)


def content_headers(url: str, *, content_type: str | None, content_encoding: str | None) -> dict[str, str]:
    """Choose the content headers that the URL's signature allows.

    Signatures that list their headers (SigV4, of S3 and of Google) do not mind others. Older ones cover the
    Content-Type, whatever it is: then none is sent.
    """
    query = parse_qs(urlsplit(url).query)
    if not any(name in query for name in _SIGNED_HEADERS):
        return {}
    given = {"Content-Type": content_type, "Content-Encoding": content_encoding}
    return {name: value for name, value in given.items() if value}


class _Source:
    """The pieces as aiohttp wants them. It keeps our own store's error, which aiohttp would take for its own."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self.error: OffloadError | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._pieces) as chunks:
                async for chunk in chunks:
                    yield chunk
        except OffloadError as error:
            self.error = error
            raise


async def _put(session: aiohttp.ClientSession, url: str, headers: dict[str, str], source: _Source) -> Uploaded | Failed:
    async with (
        aclosing(source.chunks()) as chunks,
        session.put(
            URL(url, encoded=True),
            data=chunks,
            headers=headers,
            skip_auto_headers=(hdrs.CONTENT_TYPE, hdrs.ACCEPT_ENCODING),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=session.timeout.sock_connect),
        ) as answer,
    ):
        if answer.ok and answer.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return Uploaded(answer.headers.get(hdrs.ETAG))
        return Failed(_obstacle(answer.status, await answer.content.read(ANSWER)), answer.status)


def _obstacle(status: int, said: bytes) -> Obstacle:
    if any(words in said for words in _EXPIRED):
        return Obstacle.EXPIRED
    return Obstacle.UNAVAILABLE if status in _PASSING else Obstacle.REFUSED
