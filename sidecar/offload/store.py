"""The object store as the rest of the sidecar sees it."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from aiobotocore.session import AioSession

from sidecar.model.errors import ConfigError
from sidecar.model.shape import Style
from sidecar.model.stored import Coding, StoredObject
from sidecar.offload.client import open_client, read_keys, sse_parameters
from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.faults import talking
from sidecar.offload.keys import object_key
from sidecar.offload.links import Link, Links
from sidecar.offload.listing import NOT_FOUND, Listed, abort_begun_before, listed
from sidecar.offload.presentation import named_attachment, object_parameters
from sidecar.offload.reading import RawBody, opened, unpacked
from sidecar.offload.signing import Signers
from sidecar.offload.telling import Told, tell_calls
from sidecar.offload.upload import Upload
from sidecar.offload.versions import erase_under
from sidecar.settings.offload import OffloadSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

LARGEST_COPY: Final = 5 * 1024**3  # bytes; S3's limit for one copy and for one PUT
DELETES_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Head:
    """What the store says of an object."""

    size: int
    etag: str
    content_type: str | None
    content_encoding: str | None
    modified: datetime


class ObjectStore:
    """S3, or what speaks like it.

    Every method raises :class:`~sidecar.offload.errors.OffloadUnavailable` when the store is away and
    :class:`~sidecar.offload.errors.OffloadRefused` when it says no.

    Args:
        settings: The store.
        environ: Where AWS leaves a web identity; the process's environment by default.
        session: Another source of the region and the credential chain; several stores may share one.
        told: Told of each call: operation, what came of it, and seconds.

    Raises:
        ConfigError: The settings name no bucket.
    """

    def __init__(
        self,
        settings: OffloadSettings,
        *,
        environ: Mapping[str, str] | None = None,
        session: AioSession | None = None,
        told: Told | None = None,
    ) -> None:
        if settings.bucket is None:
            raise ConfigError("offload.bucket: is missing; name the bucket for large bodies")
        self.bucket: str = settings.bucket
        """The bucket where nothing else is said."""
        self._settings = settings
        self._session = session or AioSession()
        self._signers = Signers(self._session, settings, environ=os.environ if environ is None else environ)
        self._links = Links(self._signers)
        self._stack = AsyncExitStack()
        self._opened: S3Client | None = None
        self._told = told

    async def start(self) -> None:
        """Open the clients; nothing is asked over the network yet.

        Raises:
            ConfigError: A file with keys cannot be read.
        """
        keys = read_keys(self._settings.credentials)
        self._opened = await self._stack.enter_async_context(open_client(self._session, self._settings, keys=keys))
        if self._told is not None:
            tell_calls(self._opened, self._told)
        self._stack.push_async_callback(self._signers.stop)
        await self._signers.start()

    async def stop(self) -> None:
        """Close the clients; may be called twice, and before :meth:`start`."""
        self._opened = None
        await self._stack.aclose()

    @property
    def client(self) -> "S3Client":
        """S3's client, for this package."""
        if self._opened is None:
            raise OffloadUnavailable("the store's client is not open")
        return self._opened

    def open_upload(
        self,
        job_id: UUID,
        service: str,
        *,
        content_type: str | None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        coding: Coding | None,
        style: Style | None = None,
        bucket: str | None = None,
        prefix: str | None = None,
    ) -> Upload:
        """Begin an upload under a key of its own; nothing is sent before there is enough to send.

        Args:
            job_id: The job.
            service: The service, or ``sidecar.offload.keys.REQUEST`` for the request's own body.
            content_type: The body's type.
            content_disposition: The sender's; its file name is kept.
            content_encoding: How the sender compressed the body itself. Such a body is stored as it is.
            coding: How to compress; see :meth:`coding`.
            style: Serve it as a compressed body or as a compressed file; the settings' by default.
            bucket: Another bucket than the settings'.
            prefix: Another beginning of keys than the settings'.
        """
        if content_encoding:
            coding = None
        file = (style or self._settings.style) == "file"
        presented = object_parameters(
            content_type=content_type,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            coding=coding,
            file=file,
        )
        return Upload(
            self.client,
            bucket=bucket or self.bucket,
            key=self.new_key(job_id, service, coding=coding, file=file, prefix=prefix),
            coding=coding,
            parameters={**presented, **sse_parameters(self._settings.sse)},
            checksums=self._settings.checksums == "when_supported",
        )

    @property
    def coding(self) -> Coding | None:
        """The compression that the settings ask for."""
        return None if self._settings.compression == "none" else self._settings.compression

    async def put(self, body: bytes, job_id: UUID, service: str, **options: Any) -> StoredObject:
        """Store a body that is in memory; the options are those of :meth:`open_upload`."""
        async with self.open_upload(job_id, service, **options) as upload:
            await upload.write(body)
            return await upload.finish()

    def new_key(
        self, job_id: UUID, part: str, *, coding: Coding | None = None, file: bool = False, prefix: str | None = None
    ) -> str:
        """Make a key that no other object has."""
        beginning = self._settings.prefix if prefix is None else prefix
        return object_key(beginning, job_id, part, coding=coding, file=file)

    def read(self, stored: StoredObject) -> AsyncGenerator[bytes, None]:
        """Yield the body as it was before it was stored; see :func:`sidecar.offload.reading.unpacked`."""
        return unpacked(self.client, stored)

    def read_raw(self, stored: StoredObject, *, byte_range: str | None = None) -> AbstractAsyncContextManager[RawBody]:
        """Read the store's bytes as they are, or a range of them; see :func:`sidecar.offload.reading.opened`."""
        return opened(self.client, stored.bucket, stored.key, byte_range=byte_range, etag=stored.etag)

    async def presign_get(
        self,
        stored: StoredObject,
        *,
        ttl: float | None = None,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> Link:
        """Sign a link for reading an object, on the address that consumers use.

        Args:
            stored: The object.
            ttl: Seconds; the settings' ``url_ttl`` by default. The link tells when it really ends.
            filename: Under which name it is saved, instead of what was said when it was stored.
            content_type: Which type it is served as, instead of what was said when it was stored.
        """
        parameters: dict[str, Any] = {"Bucket": stored.bucket, "Key": stored.key}
        if filename is not None:
            parameters["ResponseContentDisposition"] = named_attachment(filename)
        if content_type is not None:
            parameters["ResponseContentType"] = content_type
        return await self._links.sign("get_object", parameters, self._ttl(ttl))

    async def presign_put(self, key: str, *, bucket: str | None = None, ttl: float | None = None) -> Link:
        """Sign a link for writing one object, 5 GiB at most.

        Only the host is signed: the writer may send any content headers, and need not send any. Encryption is then
        the bucket's default; were it signed, every writer would have to send it.
        """
        parameters = {"Bucket": bucket or self.bucket, "Key": key}
        return await self._links.sign("put_object", parameters, self._ttl(ttl))

    async def credentials_end(self) -> datetime | None:
        """Tell until when links signed now can live; ``None``: as long as S3 allows."""
        return await self._links.credentials_end()

    async def head(self, key: str, *, bucket: str | None = None) -> Head | None:
        """Tell what the store has under a key; ``None`` when nothing is there."""
        try:
            async with talking("look at an object"):
                answer = await self.client.head_object(Bucket=bucket or self.bucket, Key=key)
        except OffloadRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return Head(
            size=answer["ContentLength"],
            etag=answer["ETag"],
            content_type=answer.get("ContentType"),
            content_encoding=answer.get("ContentEncoding") or None,
            modified=answer["LastModified"],
        )

    async def copy(self, source: StoredObject, key: str, *, bucket: str | None = None) -> StoredObject:
        """Copy an object within the store, 5 GiB at most, with its content headers."""
        if source.stored_size > LARGEST_COPY:
            raise OffloadRefused("cannot copy an object of more than 5 GiB", code="EntityTooLarge")
        target = bucket or self.bucket
        options: dict[str, Any] = sse_parameters(self._settings.sse)
        async with talking("copy an object", within=600.0):
            answer = await self.client.copy_object(
                Bucket=target, Key=key, CopySource={"Bucket": source.bucket, "Key": source.key}, **options
            )
        return replace(source, bucket=target, key=key, etag=answer["CopyObjectResult"]["ETag"])

    async def delete(self, objects: Iterable[StoredObject]) -> None:
        """Delete objects; those that are gone already are no error."""
        await self.delete_keys((stored.bucket, stored.key) for stored in objects)

    async def delete_each(self, objects: Iterable[StoredObject]) -> list[OffloadError | None]:
        """Delete objects as :meth:`delete` does; tell of each, in order, why it could not be deleted."""
        return await self._deleted((stored.bucket, stored.key) for stored in objects)

    async def delete_keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete by bucket and key."""
        for error in await self._deleted(keys):
            if error is not None:
                raise error

    async def _deleted(self, keys: Iterable[tuple[str, str]]) -> list[OffloadError | None]:
        """Delete a few at once. S3's call for many needs checksums that older stores lack."""
        places = asyncio.Semaphore(DELETES_AT_ONCE)

        async def delete(bucket: str, key: str) -> None:
            async with places, talking("delete an object"):
                await self.client.delete_object(Bucket=bucket, Key=key)

        errors: list[OffloadError | None] = []
        for error in await asyncio.gather(*(delete(bucket, key) for bucket, key in keys), return_exceptions=True):
            if error is not None and not isinstance(error, OffloadError):
                raise error
            errors.append(error)
        return errors

    async def erase(self, prefix: str, *, bucket: str | None = None) -> int:
        """Remove every version of what lies under ``prefix``; see :func:`sidecar.offload.versions.erase_under`."""
        return await erase_under(self.client, bucket or self.bucket, prefix)

    def list(self, prefix: str, *, bucket: str | None = None) -> AsyncIterator[Listed]:
        """Yield the objects whose keys begin with ``prefix``, in the order of their keys."""
        return listed(self.client, bucket or self.bucket, prefix)

    async def abort_stale_uploads(
        self, prefix: str, *, older_than: float, bucket: str | None = None, now: datetime | None = None
    ) -> int:
        """Abort uploads that began more than ``older_than`` seconds ago and were never completed; tell how many.

        Their owner was killed, or the store was away; see :func:`sidecar.offload.listing.abort_begun_before`.
        """
        limit = (now or datetime.now(UTC)) - timedelta(seconds=older_than)
        return await abort_begun_before(self.client, bucket or self.bucket, prefix, limit)

    def _ttl(self, ttl: float | None) -> float:
        return self._settings.url_ttl if ttl is None else ttl
