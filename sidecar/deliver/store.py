"""The object store as messages need it."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from sidecar.deliver.content import Message, UploadsBusy, content_type
from sidecar.model.delivery import Part
from sidecar.model.egress import Refusal
from sidecar.model.errors import LedgerError
from sidecar.model.handed import Handed
from sidecar.model.headers import decode_block
from sidecar.model.shape import Shapes
from sidecar.model.stored import StoredObject
from sidecar.model.whole_aggregate import size_of, whole_aggregate
from sidecar.offload.bodies import Bodies
from sidecar.offload.forward import Failed, Obstacle, Uploaded, forward, put_pieces
from sidecar.outbound.egress import Guarded

UPLOADS = 50
"""Uploads under way in all: each holds a place of ``webhook.concurrency.total``, for minutes if it is slow."""

UPLOADS_PER_HOST = 10
"""Uploads under way to one host, because callers choose the paths."""


class Names(Protocol):
    """What this needs of the ledger."""

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:
        """Name an object, so that it is removed when it is over; tell the one that counts."""

    async def uploaded(self, job_id: UUID, handed: bytes) -> None:
        """Remember what became of the caller's own upload-url."""


class MessageStore:
    """Link, store and hand over the bodies of messages.

    Args:
        bodies: The object store, and where each route's bodies go.
        names: Where objects are named, and uploads remembered.
        shapes: How each endpoint likes its objects.
        uploads: An ordinary session for the callers' own upload-urls, whose sockets the egress guard makes.
        guarded: Runs what connects to them, unless they may not be called.
        upload_timeout: Seconds for one of them.
    """

    def __init__(
        self,
        bodies: Bodies,
        *,
        names: Names,
        shapes: Shapes,
        uploads: aiohttp.ClientSession,
        guarded: Guarded,
        upload_timeout: float,
    ) -> None:
        self._bodies = bodies
        self._store = bodies.store
        self._names = names
        self._shapes = shapes
        self._uploads = uploads
        self._guarded = guarded
        self._upload_timeout = upload_timeout
        self._under_way: Counter[str] = Counter()  # uploads, by host

    async def link(self, stored: StoredObject) -> Mapping[str, str]:
        """Sign a fresh download link.

        Raises:
            OffloadError: There is nothing to sign it with.
        """
        link = await self._store.presign_get(stored)
        return {"url": link.url, "expires_at": link.expires_at.isoformat()}

    async def keep(self, message: Message, part: Part | None = None) -> StoredObject:
        """Store the small body of a message, or of one part of an aggregate, so that it can be linked.

        Raises:
            OffloadError: The store is away.
            LedgerError: The object cannot be named.
        """
        source = message if part is None else part
        made = await self._bodies.keep(
            message.job_id,
            source.service,
            source.body,
            headers=source.headers,
            route=message.route,
            style=self._shapes.of(message.endpoint).style,
        )
        named = StoredObject.load(await self._names.kept(message.job_id, source.service, made.dump()))
        if named != made:
            await self._store.delete([made])
        return named

    async def read(self, stored: StoredObject) -> bytes:
        """Read a body that is to be sent directly.

        Raises:
            OffloadError: The store is away, or the object is not what it was.
        """
        async with aclosing(self._store.read(stored)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def hand_over(self, stored: StoredObject, message: Message) -> Handed:
        """Put an object to the caller's own upload-url, unless that is done already.

        Raises:
            OffloadError: Our own store failed.
            UploadsBusy: Enough uploads are under way.
        """
        if message.uploaded is not None:
            return Handed.load(message.uploaded)
        encoding = next((v for n, v in decode_block(message.headers) if n.lower() == "content-encoding"), None)
        put = partial(
            forward,
            self._store,
            stored,
            message.upload_url or "",
            session=self._uploads,
            content_type=content_type(message.headers),
            content_encoding=stored.content_encoding or encoding,
            timeout=self._upload_timeout,
        )
        return await self._remembered(message, await self._put(message, put))

    async def hand_over_aggregate(self, message: Message, parts: Sequence[Part]) -> Handed:
        """Put all of an aggregate, large bodies inside, to the caller's own upload-url, unless that is done already.

        Raises:
            OffloadError: Our own store failed.
            UploadsBusy: Enough uploads are under way.
        """
        if message.uploaded is not None:
            return Handed.load(message.uploaded)
        pieces = whole_aggregate(
            job_id=message.job_id, correlation_id=message.correlation_id, status=message.status, parts=parts
        )
        digest, size = hashlib.sha256(), size_of(pieces)

        async def rendered() -> AsyncGenerator[bytes, None]:
            for piece in pieces:
                digest.update(piece.text)
                yield piece.text
                if piece.body is not None:
                    async with aclosing(self._encoded(piece.body)) as encoded:
                        async for text in encoded:
                            digest.update(text)
                            yield text

        put = partial(
            put_pieces,
            message.upload_url or "",
            rendered(),
            size=size,
            session=self._uploads,
            content_type="application/json",
            content_encoding=None,
            timeout=self._upload_timeout,
        )
        result = await self._put(message, put)
        return await self._remembered(message, result, size=size, sha256=digest.hexdigest())

    async def _put(self, message: Message, put: Callable[[], Awaitable[Uploaded | Failed]]) -> Uploaded | Failed:
        url = message.upload_url or ""
        with self._place(urlsplit(url).hostname or ""):
            result = await self._guarded.run(url, put)
        return Failed(Obstacle.NOT_ALLOWED) if isinstance(result, Refusal) else result

    @contextmanager
    def _place(self, host: str) -> Iterator[None]:
        if self._under_way[host] >= UPLOADS_PER_HOST or self._under_way.total() >= UPLOADS:
            raise UploadsBusy("as many uploads to the callers' upload-urls are under way as may be")
        self._under_way[host] += 1
        try:
            yield
        finally:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host]

    async def _remembered(
        self, message: Message, result: Uploaded | Failed, *, size: int = 0, sha256: str = ""
    ) -> Handed:
        """Remember a result for good, so that later attempts do not put it again, perhaps when its URL has expired."""
        if isinstance(result, Uploaded):
            url = (message.upload_url or "").partition("?")[0]
            handed = Handed(url=url, etag=result.etag or "", size=size, sha256=sha256)
        else:
            handed = Handed(failure=result.reason)
            if result.may_pass:
                return handed
        with suppress(LedgerError):  # then the next attempt puts it again
            await self._names.uploaded(message.job_id, handed.dump())
        return handed

    async def _encoded(self, stored: StoredObject) -> AsyncGenerator[bytes, None]:
        """Yield a stored body in base64; each piece but the last is of whole groups of three bytes."""
        rest = b""
        async with aclosing(self._store.read(stored)) as pieces:
            async for piece in pieces:
                data = rest + piece
                whole = len(data) - len(data) % 3
                rest = data[whole:]
                if whole:
                    yield b64encode(data[:whole])
        if rest:
            yield b64encode(rest)
