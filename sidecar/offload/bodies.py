"""Large bodies on their way into the store: each under its route's bucket and prefix, with what its headers say."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sidecar.model.headers import raw_pairs
from sidecar.model.shape import Style
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.offload.keys import REQUEST, object_key
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import Upload

UNCODED = frozenset({"", "identity"})
"""Values of Content-Encoding that mean none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one route's bodies go; ``None`` is the store's own."""

    bucket: str | None = None
    prefix: str | None = None


class Bodies:
    """Open uploads for bodies, and remove those that nobody wants.

    Args:
        store: The object store.
        prefix: The beginning of keys where a route says nothing else.
        places: Where the bodies of some routes go instead, by the route's path.
    """

    def __init__(self, store: ObjectStore, *, prefix: str, places: Mapping[str, Place]) -> None:
        self.store = store
        self.by_route = bool(places)
        """Whether it matters which route a body belongs to."""
        self._prefix = prefix
        self._places = places

    def open(
        self,
        job_id: UUID,
        service: str,
        *,
        headers: Iterable[tuple[bytes, bytes]],
        route: str | None,
        style: Style | None = None,
    ) -> Upload:
        """Begin an upload under a key of its own.

        Args:
            job_id: The job.
            service: The service, or '' for the request's own body.
            headers: The raw headers that came with the body.
            route: The route's path.
            style: How compression is marked; the store's own by default.

        Raises:
            OffloadUnavailable: The store's client is not open.
        """
        content = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
        encoding = content.get(b"content-encoding", "")
        place = self._place(route)
        return self.store.open_upload(
            job_id,
            service or REQUEST,
            content_type=_ascii(content.get(b"content-type")),
            content_disposition=content.get(b"content-disposition"),
            content_encoding=None if encoding.lower() in UNCODED else _ascii(encoding),
            coding=self.store.coding,
            style=style,
            bucket=place.bucket,
            prefix=place.prefix,
        )

    async def keep(
        self, job_id: UUID, service: str, body: bytes, *, headers: bytes, route: str, style: Style | None
    ) -> StoredObject:
        """Store a small body; ``headers`` is the block that describes it, the rest is as for :meth:`open`.

        Raises:
            OffloadError: The store is away, or said no.
        """
        async with self.open(job_id, service, headers=raw_pairs(headers), route=route, style=style) as upload:
            await upload.write(body)
            return await upload.finish()

    def offered(self, job_id: UUID, service: str, *, random: str, route: str | None) -> tuple[str, str]:
        """Tell bucket and key of the object that a service may upload by itself; it is the same at every call."""
        place = self._place(route)
        prefix = self._prefix if place.prefix is None else place.prefix
        return place.bucket or self.store.bucket, object_key(prefix, job_id, service, random=f"offered-{random}")

    async def adopt(self, job_id: UUID, service: str, *, random: str, route: str | None) -> StoredObject | None:
        """Copy what a service uploaded to a key that it cannot write to; ``None`` when nothing is there.

        The copy's SHA-256 is not known: it is empty.

        Raises:
            OffloadError: The store is away, or will not copy.
        """
        bucket, key = self.offered(job_id, service, random=random, route=route)
        head = await self.store.head(key, bucket=bucket)
        if head is None:
            return None
        offered = StoredObject(bucket, key, head.size, b"", head.size, b"", None, head.etag)
        place = self._place(route)
        private = self.store.new_key(job_id, service, prefix=place.prefix)
        return await self.store.copy(offered, private, bucket=bucket)

    async def drop(self, stored: StoredObject) -> None:
        """Remove an object that nobody will ask for; with the store away it is left to go with its day."""
        with suppress(OffloadError):
            await self.store.delete([stored])

    def _place(self, route: str | None) -> Place:
        return self._places.get(route or "", Place())


def _ascii(value: str | None) -> str | None:
    """Leave out what S3's headers cannot carry."""
    return value if value and value.isascii() and value.isprintable() else None
