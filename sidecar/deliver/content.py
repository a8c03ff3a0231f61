"""What a message is sent as, at this attempt: directly, as an indirect result message, or as an aggregate."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sidecar.model.delivery import Delivery, Part
from sidecar.model.headers import decode_block
from sidecar.model.messages import JSON_HEADERS, aggregate_body, indirect_body
from sidecar.model.outcome import MessageKind
from sidecar.model.retry import Retry
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError, OffloadUnavailable

Message = Delivery | Retry
"""A first attempt, or a retry."""


@dataclass(frozen=True, slots=True)
class Content:
    """The kind, content headers and body of one attempt."""

    kind: MessageKind
    headers: bytes
    body: bytes


class Parts(Protocol):
    """What an aggregate is made of."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return the parts, by service name."""


class Store(Protocol):
    """What this stage needs of the object store."""

    def link(self, stored: StoredObject) -> Awaitable[Mapping[str, str]]:
        """Sign a fresh download link: ``url`` and ``expires_at``."""

    def keep(self, message: Message) -> Awaitable[StoredObject]:
        """Store a message's small body, so that it can be sent indirectly."""

    def hand_over(self, stored: StoredObject, message: Message) -> Awaitable[Mapping[str, str] | str]:
        """Put an object to the caller's own upload-url: ``url`` and ``etag``, or the reason why it could not."""


class Contents:
    """Render messages. Whatever is linked is linked afresh at each attempt.

    Args:
        parts: Where aggregates come from.
        store: The object store, if there is one.
        inline_small: Whether a small body travels along inside its indirect message.
    """

    def __init__(self, *, parts: Parts, store: Store | None, inline_small: bool) -> None:
        self._parts = parts
        self._store = store
        self._inline_small = inline_small

    async def of(self, message: Message) -> Content:
        """Render a message for this attempt.

        A body in the object store goes out indirectly, and so does every result that is sent again; a small one that
        has not been moved there yet, or that cannot be linked now, is sent again directly. An error, and an indirect
        message that a service made by itself, stay what they are.

        Raises:
            LedgerError: An aggregate's parts cannot be read.
            OffloadError: A link cannot be signed, and there is no body to send instead.
        """
        if message.kind is MessageKind.AGGREGATE:
            return await self._aggregate(message)
        if message.stored is None or (message.kind is not MessageKind.DIRECT and message.body):
            return Content(message.kind, message.headers, message.body)
        if self._store is not None:
            try:
                return await self._indirect(message, StoredObject.load(message.stored), self._store)
            except OffloadError:
                if not message.body:
                    raise
        elif not message.body:
            raise OffloadUnavailable("the body lies in an object store, and none is configured")
        return Content(message.kind, message.headers, message.body)

    async def instead(self, message: Message, refused: Content) -> Content | None:
        """Render indirectly what a webhook would not take directly (413, 415); ``None`` where that is impossible.

        Raises:
            OffloadError: The object store is away.
            LedgerError: The new object cannot be named.
        """
        if refused.kind is not MessageKind.DIRECT or self._store is None:
            return None
        return await self._indirect(message, await self._store.keep(message), self._store)

    async def _indirect(self, message: Message, stored: StoredObject, store: Store) -> Content:
        uploaded, notice = False, None
        link: Mapping[str, str] = {}
        if message.upload_url is not None:
            handed = await store.hand_over(stored, message)
            if isinstance(handed, str):
                notice = handed
            else:
                uploaded, link = True, handed
        if not uploaded:
            link = {**await store.link(stored), "refresh_url": refresh_url(message)}
        body = indirect_body(
            job_id=message.job_id,
            correlation_id=message.correlation_id,
            service=message.service,
            status=message.status,
            headers=message.headers,
            stored=stored,
            link=link,
            uploaded=uploaded,
            notice=notice,
            inline=message.body if self._inline_small and message.body else None,
        )
        return Content(MessageKind.INDIRECT, JSON_HEADERS, body)

    async def _aggregate(self, message: Message) -> Content:
        parts = await self._parts.parts(message.job_id)
        links = {part.service: await self._part_link(message, part) for part in parts if part.stored is not None}
        body = aggregate_body(
            job_id=message.job_id,
            correlation_id=message.correlation_id,
            status=message.status,
            parts=parts,
            downloads=links,
        )
        return Content(MessageKind.AGGREGATE, JSON_HEADERS, body)

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
