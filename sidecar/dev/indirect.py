"""Follow the links of indirect results and aggregates as a webhook should: download, and verify by either digest."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
import zstandard
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

CHUNK = 256 * 1024  # bytes
KEPT = 20_000  # bytes of a body that are kept to be shown
TIMEOUT = ClientTimeout(total=None, sock_connect=10, sock_read=30)
OK = 200


@dataclass(frozen=True, slots=True)
class Link:
    """What a message says of a body elsewhere. Digests are hexadecimal; the stored one is of the bytes in the store."""

    service: str
    url: str
    sha256: str
    stored_sha256: str


@dataclass(frozen=True, slots=True)
class Download:
    """What was found behind a link. ``trouble`` is None when it is what the message says."""

    service: str
    size: int  # of the body
    stored_size: int  # of what travelled
    digest: str  # SHA-256 of the body
    beginning: bytes
    trouble: str | None

    def summary(self) -> str:
        """Say it in one line."""
        if self.trouble is not None:
            return f"cannot use what the link leads to: {self.trouble}"
        travelled = f" ({self.stored_size:,} travelled)" if self.stored_size != self.size else ""
        return f"downloaded {self.size:,} bytes{travelled}; their digest is as the message says: {self.digest[:12]}..."


def links_of(body: bytes) -> list[Link]:
    """Find the links in a message's body; none in one that is no document of ours."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return []
    return list(_links(document)) if isinstance(document, dict) else []


async def follow(link: Link, session: ClientSession) -> Download:
    """Download what a link leads to, with bounded memory, and compare it with what the message says.

    Args:
        link: The link.
        session: One that leaves content codings alone, so that both digests can be taken.
    """
    taken = _Taken()
    try:
        # As it was signed: another quoting of the same URL has another signature.
        async with session.get(URL(link.url, encoded=True), timeout=TIMEOUT) as response:
            if response.status != OK:
                return _download(link, taken, f"{_host(link.url)} answered {response.status}")
            await taken.all_of(response)
    except (ClientError, TimeoutError, ValueError) as error:
        return _download(link, taken, f"{_host(link.url)}: {type(error).__name__}")
    except (zlib.error, zstandard.ZstdError):
        return _download(link, taken, "its content coding cannot be decoded")
    either = taken.digest == link.sha256 or taken.stored_digest == link.stored_sha256
    return _download(link, taken, None if either else "neither digest is as the message says")


def _links(document: dict[str, Any]) -> Iterator[Link]:
    kinds = {"indirect_result": [document], "aggregate_result": document.get("results")}
    parts = kinds.get(str(document.get("type")))
    for part in parts if isinstance(parts, list) else []:
        download = part.get("download") if isinstance(part, dict) else None
        if isinstance(download, dict) and "url" in download:
            service = str(part.get("service", ""))
            yield Link(service, str(download["url"]), str(part.get("sha256")), str(part.get("stored_sha256")))


class _Taken:
    """Counts and digests of a body, as it arrives."""

    def __init__(self) -> None:
        self._plain, self._stored = sha256(), sha256()
        self.size = self.stored_size = 0
        self.beginning = b""

    async def all_of(self, response: ClientResponse) -> None:
        decode = _decoder(response.headers.get("content-encoding"))
        async for chunk in response.content.iter_chunked(CHUNK):
            self._stored.update(chunk)
            self.stored_size += len(chunk)
            plain = decode(chunk)
            self._plain.update(plain)
            self.size += len(plain)
            self.beginning += plain[: KEPT - len(self.beginning)]

    @property
    def digest(self) -> str:
        return self._plain.hexdigest()

    @property
    def stored_digest(self) -> str:
        return self._stored.hexdigest()


def decoded(body: bytes, coding: str | None) -> bytes:
    """Undo a content coding, for people; what cannot be decoded stays as it is."""
    try:
        return _decoder(coding)(body)
    except (zlib.error, zstandard.ZstdError):
        return body


def _decoder(coding: str | None) -> Callable[[bytes], bytes]:
    if coding == "gzip":
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress
    return bytes


def _download(link: Link, taken: _Taken, trouble: str | None) -> Download:
    return Download(link.service, taken.size, taken.stored_size, taken.digest, taken.beginning, trouble)


def _host(url: str) -> str:
    """Tell where a link leads; its query is a key to the body."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return "a link that is no URL"
