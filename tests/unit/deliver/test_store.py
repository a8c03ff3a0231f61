"""Small bodies that are stored so that they can be linked: each object has a name in the ledger, or is removed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest

from sidecar.deliver.content import UploadsBusy
from sidecar.deliver.store import UPLOADS, UPLOADS_PER_HOST, MessageStore
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.handed import Handed
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadRefused
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
        self.reading = 0
        self.gate = asyncio.Event()

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

    @asynccontextmanager
    async def read_raw(self, _: StoredObject) -> AsyncIterator[None]:
        """Hold an upload up until the gate opens, and let it fail then."""
        self.reading += 1
        await self.gate.wait()
        self.reading -= 1
        raise OffloadRefused("gone", code="NoSuchKey")
        yield

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


class Uploads:
    """Uploads under way that are all held up."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.store = message_store(self.bucket, Names(MADE))
        self.tasks: list[asyncio.Task[Handed]] = []

    async def begin(self, count: int, host: str) -> None:
        for number in range(count):
            message = make_retry(upload_url=f"https://{host}/results/{number}")
            self.tasks.append(asyncio.create_task(self.store.hand_over(MADE, message)))
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> list[Handed | BaseException]:
        self.bucket.gate.set()
        return await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_slow_host_takes_a_few_uploads_and_the_others_are_put_off() -> None:
    uploads = Uploads()
    await uploads.begin(UPLOADS_PER_HOST, "slow.example")
    for same in ("slow.example", "SLOW.example:443"):
        with pytest.raises(UploadsBusy):
            await uploads.store.hand_over(MADE, make_retry(upload_url=f"https://{same}/results/more"))
    await uploads.begin(1, "other.example")
    assert uploads.bucket.reading == UPLOADS_PER_HOST + 1
    ends = await uploads.end()
    assert not any(isinstance(end, UploadsBusy) for end in ends)
    await uploads.begin(UPLOADS_PER_HOST, "slow.example")  # their places are free again
    assert not any(isinstance(end, UploadsBusy) for end in await uploads.end())


async def test_all_uploads_together_leave_places_for_messages() -> None:
    uploads = Uploads()
    for number in range(UPLOADS):
        await uploads.begin(1, f"host-{number}.example")
    with pytest.raises(UploadsBusy):
        await uploads.store.hand_over(MADE, make_retry(upload_url="https://one-more.example/results"))
    with pytest.raises(UploadsBusy):
        await uploads.store.hand_over_aggregate(make_retry(upload_url="https://one-more.example/results"), [])
    assert uploads.bucket.reading == UPLOADS
    await uploads.end()


async def test_what_was_put_before_is_told_however_many_uploads_are_under_way() -> None:
    uploads = Uploads()
    await uploads.begin(UPLOADS_PER_HOST, "slow.example")
    before = Handed(url="https://slow.example/results", etag="e-1")
    message = make_retry(upload_url="https://slow.example/results", uploaded=before.dump())
    assert await uploads.store.hand_over(MADE, message) == before
    await uploads.end()
