"""Small bodies that are stored so that they can be linked: each object has a name in the ledger, or is removed."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest

from sidecar.deliver.store import MessageStore
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.stored import StoredObject
from sidecar.offload.store import ObjectStore
from tests.unit.builders import JOB, make_retry, make_stored

MADE = make_stored()
OTHER = make_stored(b"other", key="another")


class Bucket:
    coding = "gzip"

    def __init__(self) -> None:
        self.puts: list[dict[str, Any]] = []
        self.deleted: list[StoredObject] = []

    async def put(self, body: bytes, job_id: UUID, service: str, **more: Any) -> StoredObject:
        self.puts.append({"body": body, "job_id": job_id, "service": service, **more})
        return MADE

    async def delete(self, objects: Sequence[StoredObject]) -> None:
        self.deleted += objects


class Names:
    def __init__(self, named: StoredObject | Exception) -> None:
        self._named = named

    async def kept(self, job_id: UUID, service: str, stored: bytes) -> bytes:
        assert (job_id, service, StoredObject.load(stored)) == (JOB, "billing", MADE)
        if isinstance(self._named, Exception):
            raise self._named
        return self._named.dump()


def message_store(bucket: Bucket, names: Names) -> MessageStore:
    unused = cast("aiohttp.ClientSession", None)
    return MessageStore(cast("ObjectStore", bucket), names=names, uploads=unused, upload_timeout=1.0)


async def test_a_body_is_stored_as_what_it_is_and_named() -> None:
    bucket = Bucket()
    headers = b"Content-Type: text/csv\r\nContent-Encoding: br"
    assert await message_store(bucket, Names(MADE)).keep(make_retry(headers=headers)) == MADE
    (put,) = bucket.puts
    assert (put["body"], put["content_type"], put["content_encoding"]) == (b'{"total": 1}', "text/csv", "br")
    assert (put["coding"], bucket.deleted) == ("gzip", [])


async def test_a_second_copy_is_removed_in_favour_of_the_first() -> None:
    bucket = Bucket()
    assert await message_store(bucket, Names(OTHER)).keep(make_retry()) == OTHER
    assert bucket.deleted == [MADE]


async def test_what_cannot_be_named_is_not_linked() -> None:
    with pytest.raises(LedgerUnavailable):
        await message_store(Bucket(), Names(LedgerUnavailable("away"))).keep(make_retry())
