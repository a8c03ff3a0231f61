"""Small bodies that are stored so that they can be linked: each object has a name in the ledger, or is removed."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest

from sidecar.deliver.store import MessageStore
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.handed import Handed
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.outbound.egress import Guarded, make_egress
from tests.unit.builders import JOB, make_retry, make_stored
from tests.unit.settings.builders import make_settings

MADE = make_stored()
SHAPES = Shapes(Shape(9, "file"))
BODY = b"some bytes"
OTHER = make_stored(b"other", key="another")


class Bucket:
    def __init__(self) -> None:
        self.puts: list[dict[str, Any]] = []
        self.deleted: list[StoredObject] = []

    @property
    def store(self) -> "Bucket":
        return self

    async def keep(self, job_id: UUID, service: str, body: bytes, **more: Any) -> StoredObject:
        self.puts.append({"job_id": job_id, "service": service, "body": body, **more})
        return MADE

    async def read(self, stored: StoredObject) -> AsyncGenerator[bytes, None]:
        assert stored == MADE
        for piece in (BODY[:7], BODY[7:8], BODY[8:]):
            yield piece

    async def delete(self, objects: Sequence[StoredObject]) -> None:
        self.deleted += objects


class Names:
    def __init__(self, named: StoredObject | Exception) -> None:
        self._named = named
        self.handed: list[Handed] = []

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:
        assert (job_id, service, StoredObject.load(stored)) == (JOB, "billing", MADE)
        if isinstance(self._named, Exception):
            raise self._named
        return self._named.dump()

    async def uploaded(self, job_id: UUID, handed: bytes) -> None:
        assert job_id == JOB
        self.handed.append(Handed.load(handed))
        if isinstance(self._named, Exception):
            raise self._named


def message_store(bucket: Bucket, names: Names) -> MessageStore:
    return MessageStore(
        cast("Bodies", bucket),
        names=names,
        shapes=SHAPES,
        uploads=cast("aiohttp.ClientSession", None),
        guarded=Guarded(make_egress(make_settings()), told=lambda *_: None),
        upload_timeout=1.0,
    )


async def test_a_body_is_stored_as_what_it_is_and_named() -> None:
    bucket = Bucket()
    headers = b"Content-Type: text/csv\r\nContent-Encoding: br"
    assert await message_store(bucket, Names(MADE)).keep(make_retry(headers=headers)) == MADE
    (put,) = bucket.puts
    assert put == {
        "job_id": JOB,
        "service": "billing",
        "body": b'{"total": 1}',
        "headers": headers,
        "route": "/orders",
        "style": "file",
    }
    assert bucket.deleted == []


async def test_a_second_copy_is_removed_in_favour_of_the_first() -> None:
    bucket = Bucket()
    assert await message_store(bucket, Names(OTHER)).keep(make_retry()) == OTHER
    assert bucket.deleted == [MADE]


async def test_what_cannot_be_named_is_not_linked() -> None:
    with pytest.raises(LedgerUnavailable):
        await message_store(Bucket(), Names(LedgerUnavailable("away"))).keep(make_retry())
