"""What a message is sent as, at this attempt: directly, as an indirect result message, or as an aggregate."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from sidecar.kit.value_class import value_class
from sidecar.model.delivery import Delivery, Part
from sidecar.model.handed import Handed
from sidecar.model.headers import decode_block
from sidecar.model.messages import JSON_HEADERS, aggregate_body, indirect_body
from sidecar.model.outcome import MessageKind
from sidecar.model.retry import Retry
from sidecar.model.shape import Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError, OffloadUnavailable

Message = Delivery | Retry
"""A first attempt, or a retry."""

READ_AT_ONCE = 64 << 20
"""Bytes of stored bodies that are in memory at once, because their endpoints want them directly."""


@value_class
class Content:
    """The kind, content headers and body of one attempt. ``held`` bytes of it count as read until it is done with."""

    kind: MessageKind
    headers: bytes
    body: bytes
    held: int = 0


class UploadsBusy(OffloadUnavailable):
    """As many uploads to that host, or in all, are under way as may be: the message waits without an attempt."""


class Parts(Protocol):
    """What an aggregate is made of."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return the parts, by service name."""


class Store(Protocol):
    """What this stage needs of the object store."""

    def link(self, stored: StoredObject) -> Awaitable[Mapping[str, str]]:
        """Sign a fresh download link: ``url`` and ``expires_at``."""

    def keep(self, message: Message, part: Part | None = None) -> Awaitable[StoredObject]:
        """Store a small body of a message, or of one part of it, so that it can be linked."""

    def read(self, stored: StoredObject) -> Awaitable[bytes]:
        """Read a stored body."""

    def hand_over(self, stored: StoredObject, message: Message) -> Awaitable[Handed]:
        """Put an object to the caller's own upload-url, once."""

    def hand_over_aggregate(self, message: Message, parts: Sequence[Part]) -> Awaitable[Handed]:
        """Put all of an aggregate to the caller's own upload-url, once."""


class Contents:
    """Render messages. Whatever is linked is linked afresh at each attempt.

    Args:
        parts: Where aggregates come from.
        store: The object store, if there is one.
        shapes: Up to which size each endpoint is sent bodies directly.
        inline_small: Whether a small body travels along inside its indirect message.
    """

    def __init__(self, *, parts: Parts, store: Store | None, shapes: Shapes, inline_small: bool) -> None:
        self._parts = parts
        self._store = store
        self._shapes = shapes
        self._inline_small = inline_small
        self._held = 0

    async def of(self, message: Message) -> Content:
        """Render a message for this attempt; hand the content to :meth:`done` after it.

        A body in the object store goes out indirectly, unless its endpoint takes that much directly at a first
        attempt; so does one that is larger than its endpoint takes, and every result that is sent again. A small one
        that has not been moved there yet, or that cannot be linked now, is sent again directly. An error, and an
        indirect message that a service made by itself, stay what they are.

        Raises:
            LedgerError: An aggregate's parts cannot be read, or an object cannot be named.
            OffloadError: A link cannot be signed, and there is no body to send instead.
        """
        if message.kind is MessageKind.AGGREGATE:
            return await self._aggregate(message)
        if message.kind is not MessageKind.DIRECT and (message.body or message.stored is None):
            return Content(message.kind, message.headers, message.body)
        if message.stored is not None:
            return await self._stored(message, StoredObject.load(message.stored))
        if self._store is not None and len(message.body) > self._shapes.of(message.endpoint).direct:
            return await self._indirect(message, await self._store.keep(message), self._store)
        return Content(message.kind, message.headers, message.body)

    def done(self, content: Content) -> None:
        """Make room again: the attempt is over."""
        self._held -= content.held

    async def instead(self, message: Message, refused: Content) -> Content | None:
        """Render indirectly what a webhook would not take directly (413, 415); ``None`` where that is impossible.

        Raises:
            OffloadError: The object store is away.
            LedgerError: The new object cannot be named.
        """
        if refused.kind is not MessageKind.DIRECT or self._store is None:
            return None
        if message.stored is not None:
            return await self._indirect(message, StoredObject.load(message.stored), self._store)
        return await self._indirect(message, await self._store.keep(message), self._store)

    async def _stored(self, message: Message, stored: StoredObject) -> Content:
        store = self._store
        if store is None:
            if not message.body:
                raise OffloadUnavailable("the body lies in an object store, and none is configured")
            return Content(message.kind, message.headers, message.body)
        first = isinstance(message, Delivery) and message.kind is MessageKind.DIRECT
        if first and stored.size <= self._shapes.of(message.endpoint).direct:
            return await self._read(message, stored, store)
        try:
            return await self._indirect(message, stored, store)
        except OffloadError:
            if not message.body:
                raise
        return Content(message.kind, message.headers, message.body)

    async def _read(self, message: Message, stored: StoredObject, store: Store) -> Content:
        """Send directly what was stored because it is more than other endpoints take."""
        size = stored.size
        if self._held and self._held + size > READ_AT_ONCE:
            raise OffloadUnavailable("there is no room in memory for one more large body")
        self._held += size
        try:
            body = await store.read(stored)
        except BaseException:
            self._held -= size
            raise
        return Content(MessageKind.DIRECT, message.headers, body, held=size)

    async def _indirect(self, message: Message, stored: StoredObject, store: Store) -> Content:
        handed = None
        if message.upload_url is not None or message.uploaded is not None:
            handed = await store.hand_over(stored, message)
        direct = self._shapes.of(message.endpoint).direct
        body = indirect_body(
            job_id=message.job_id,
            correlation_id=message.correlation_id,
            service=message.service,
            status=message.status,
            headers=message.headers,
            stored=stored,
            link=_uploaded(handed) or {**await store.link(stored), "refresh_url": refresh_url(message)},
            uploaded=_uploaded(handed) is not None,
            notice=None if handed is None else handed.failure,
            inline=message.body if self._inline_small and 0 < len(message.body) <= direct else None,
        )
        return Content(MessageKind.INDIRECT, JSON_HEADERS, body)

    async def _aggregate(self, message: Message) -> Content:
        if message.uploaded is not None and (before := Handed.load(message.uploaded)).failure is None:
            return _handed_aggregate(message, before)
        parts = await self._parts.parts(message.job_id)
        direct = self._shapes.of(message.endpoint).direct
        handed = await self._handed(message, parts, direct)
        if handed is not None and handed.failure is None:
            return _handed_aggregate(message, handed)
        parts = await self._fitting(message, parts, direct)
        links = {part.service: await self._part_link(message, part) for part in parts if part.stored is not None}
        body = aggregate_body(
            job_id=message.job_id,
            correlation_id=message.correlation_id,
            status=message.status,
            parts=parts,
            downloads=links,
            notice=None if handed is None else handed.failure,
        )
        return Content(MessageKind.AGGREGATE, JSON_HEADERS, body)

    async def _handed(self, message: Message, parts: Sequence[Part], direct: int) -> Handed | None:
        """Put an aggregate that is too large for its endpoint to the caller's own upload-url, where there is one."""
        if self._store is None or (message.upload_url is None and message.uploaded is None):
            return None
        if message.uploaded is None and sum(map(_size, parts)) <= direct:
            return None
        return await self._store.hand_over_aggregate(message, parts)

    async def _fitting(self, message: Message, parts: Sequence[Part], room: int) -> list[Part]:
        """Link small parts beyond the threshold in total; they travel inside all the same while none can be linked."""
        fitting = []
        for part in parts:
            if part.stored is None and len(part.body) > room and self._store is not None:
                try:
                    kept = part.copy or (await self._store.keep(message, part)).dump()
                except OffloadError:
                    fitting.append(part)
                else:
                    fitting.append(replace(part, stored=kept, body=b""))
            else:
                room -= len(part.body)
                fitting.append(part)
        return fitting

    async def _part_link(self, message: Message, part: Part) -> Mapping[str, str]:
        refresh = {"refresh_url": refresh_url(message, part.service)}
        if self._store is None or part.stored is None:
            return refresh
        return {**await self._store.link(StoredObject.load(part.stored)), **refresh}


def refresh_url(message: Message, service: str | None = None) -> str:
    """Tell where a fresh link is always to be had: the results endpoint."""
    return f"{message.links_base}/_jobs/{message.job_id}/results/{service or message.service}"


def content_type(headers: bytes) -> str | None:
    """Return the Content-Type of a block as it was sent."""
    return next((value for name, value in decode_block(headers) if name.lower() == "content-type"), None)


def _size(part: Part) -> int:
    return len(part.body) if part.stored is None else StoredObject.load(part.stored).size


def _uploaded(handed: Handed | None) -> Mapping[str, str] | None:
    return None if handed is None or handed.failure is not None else {"url": handed.url, "etag": handed.etag}


def _handed_aggregate(message: Message, handed: Handed) -> Content:
    digest = bytes.fromhex(handed.sha256)
    stored = StoredObject("", "", handed.size, digest, handed.size, digest, None, handed.etag)
    body = indirect_body(
        job_id=message.job_id,
        correlation_id=message.correlation_id,
        service="",
        status=message.status,
        headers=JSON_HEADERS,
        stored=stored,
        link=_uploaded(handed) or {},
        uploaded=True,
    )
    return Content(MessageKind.INDIRECT, JSON_HEADERS, body)
