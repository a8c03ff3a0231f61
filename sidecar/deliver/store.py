"""The object store as messages need it."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import aiohttp

from sidecar.deliver.content import Message, content_type
from sidecar.model.headers import decode_block
from sidecar.model.stored import StoredObject
from sidecar.offload.forward import Uploaded, forward
from sidecar.offload.store import ObjectStore


class Names(Protocol):
    """What this needs of the ledger."""

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:
        """Name an object, so that it is removed when it is over; tell the one that counts."""


class MessageStore:
    """Link, store and hand over the bodies of messages.

    Args:
        store: The object store.
        names: Where objects are named.
        uploads: An ordinary session for the callers' own upload-urls.
        upload_timeout: Seconds for one of them.
    """

    def __init__(
        self, store: ObjectStore, *, names: Names, uploads: aiohttp.ClientSession, upload_timeout: float
    ) -> None:
        self._store = store
        self._names = names
        self._uploads = uploads
        self._upload_timeout = upload_timeout

    async def link(self, stored: StoredObject) -> Mapping[str, str]:
        """Sign a fresh download link.

        Raises:
            OffloadError: There is nothing to sign it with.
        """
        link = await self._store.presign_get(stored)
        return {"url": link.url, "expires_at": link.expires_at.isoformat()}

    async def keep(self, message: Message) -> StoredObject:
        """Store a message's small body, so that it can be sent indirectly.

        Raises:
            OffloadError: The store is away.
            LedgerError: The object cannot be named.
        """
        made = await keep(self._store, message)
        named = StoredObject.load(await self._names.kept(message.job_id, message.service, made.dump()))
        if named != made:
            await self._store.delete([made])
        return named

    async def hand_over(self, stored: StoredObject, message: Message) -> Mapping[str, str] | str:
        """Put an object to the caller's own upload-url; return where it lies, or why it could not be put.

        Raises:
            OffloadError: Our own store failed.
        """
        url = message.upload_url or ""
        encoding = next((v for n, v in decode_block(message.headers) if n.lower() == "content-encoding"), None)
        result = await forward(
            self._store,
            stored,
            url,
            session=self._uploads,
            content_type=content_type(message.headers),
            content_encoding=stored.content_encoding or encoding,
            timeout=self._upload_timeout,
        )
        if isinstance(result, Uploaded):
            return {"url": url.partition("?")[0], "etag": result.etag or ""}
        return result.reason


async def keep(store: ObjectStore, message: "Message") -> StoredObject:
    """Store the body of a message under a key of its own."""
    headers = {name.lower(): value for name, value in decode_block(message.headers)}
    return await store.put(
        message.body,
        message.job_id,
        message.service,
        content_type=headers.get("content-type"),
        content_disposition=headers.get("content-disposition"),
        content_encoding=headers.get("content-encoding"),
        coding=store.coding,
    )
