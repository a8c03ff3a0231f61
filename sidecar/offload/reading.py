"""Bodies on their way out of the store, as they lie there or unpacked, with bounded memory."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sidecar.model.stored import StoredObject
from sidecar.offload.compress import PIECE, decompressor
from sidecar.offload.errors import OffloadCorrupt
from sidecar.offload.faults import talking

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

CHUNK: Final = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class RawBody:
    """An object, or a range of it, as it lies in the store. Good as long as its context is open."""

    length: int
    content_range: str | None
    """The range's place, as Content-Range has it; ``None``: this is all of it."""
    etag: str
    stream: Any

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes, 256 KiB at most at once.

        Raises:
            OffloadUnavailable: The connection broke, or nothing came for a minute.
        """
        left = self.length
        while left > 0:
            async with talking("read an object", within=None):
                chunk: bytes = await self.stream.read(CHUNK)
            if not chunk:
                raise OffloadCorrupt("the object is shorter than the store said")
            left -= len(chunk)
            yield chunk


@asynccontextmanager
async def opened(
    client: "S3Client", bucket: str, key: str, *, byte_range: str | None = None, etag: str | None = None
) -> AsyncIterator[RawBody]:
    """Begin to read an object.

    Args:
        client: S3's client.
        bucket: Where it lies.
        key: Its name.
        byte_range: The value of a Range header; the store may ignore one that makes no sense.
        etag: Which version of it; another one is refused.

    Raises:
        OffloadUnavailable: The store is away.
        OffloadRefused: ``NoSuchKey``, ``InvalidRange``, ``PreconditionFailed`` and others.
    """
    options: dict[str, Any] = {}
    if byte_range is not None:
        options["Range"] = byte_range
    if etag:
        options["IfMatch"] = etag
    async with talking("read an object"):
        answer = await client.get_object(Bucket=bucket, Key=key, **options)
    async with answer["Body"] as stream:
        yield RawBody(
            length=answer["ContentLength"],
            content_range=answer.get("ContentRange"),
            etag=answer["ETag"],
            stream=stream,
        )


async def unpacked(client: "S3Client", stored: StoredObject) -> AsyncGenerator[bytes, None]:
    """Yield the body as it was before it was stored, about 256 KiB at once, and check it.

    Close the iterator (``contextlib.aclosing``) when it is left before its end.

    Raises:
        OffloadUnavailable: The store is away, or the connection broke.
        OffloadRefused: The store said no.
        OffloadCorrupt: The body is not the one that was stored. All of it may have been yielded by then.
    """
    unpacking = _Unpacking(stored)
    async with opened(client, stored.bucket, stored.key, etag=stored.etag) as raw:
        async with aclosing(raw.chunks()) as chunks:
            async for chunk in chunks:
                pieces = unpacking.feed(chunk)
                while piece := await asyncio.to_thread(next, pieces, b""):
                    yield piece
        unpacking.end()


class _Unpacking:
    """Unpacks and checks; its iterators do their work in the thread that asks for the next piece."""

    def __init__(self, stored: StoredObject) -> None:
        self._stored = stored
        self._decompressor = decompressor(stored.coding, limit=stored.size)
        self._size = 0
        self._digest = hashlib.sha256()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the store's bytes and yield the body's, joined to pieces that are worth the way to a thread."""
        self._digest.update(chunk)
        pieces: list[bytes] = []
        size = 0
        for piece in self._decompressor.feed(chunk):
            pieces.append(piece)
            size += len(piece)
            if size >= PIECE:
                self._size += size
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            self._size += size
            yield b"".join(pieces)

    def end(self) -> None:
        """Check that this was all of it, and that it was the right one."""
        self._decompressor.end()
        expected = self._stored.stored_sha256
        if self._size != self._stored.size or (expected and self._digest.digest() != expected):
            raise OffloadCorrupt("the stored body is not the one that was stored")
