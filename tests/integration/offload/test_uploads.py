"""Bodies of all sizes go into the store as they come, and leave nothing behind when they are given up."""

import asyncio
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from sidecar.model.stored import Coding, StoredObject
from sidecar.offload.errors import OffloadRefused, OffloadUnavailable
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import PART
from tests.integration.offload.builders import (
    BUCKET,
    MIB,
    keys_of,
    make_settings,
    noise,
    pieces_of,
    read,
    read_raw,
    sha256,
    uploads_of,
)
from tests.integration.offload.moto import Moto

CODINGS: list[Coding | None] = ["gzip", "zstd", None]


async def store_body(store: ObjectStore, body: bytes, **over: Any) -> StoredObject:
    options: dict[str, Any] = {"content_type": "application/json", "coding": "gzip", **over}
    async with store.open_upload(uuid7(), "billing", **options) as upload:
        async for piece in pieces_of(body):
            await upload.write(piece)
        assert upload.size == len(body)
        return await upload.finish()


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [0, 600_000, PART, PART + 12_345])
async def test_a_body_comes_back_as_it_was_and_both_digests_are_right(
    store: ObjectStore, coding: Coding | None, size: int
) -> None:
    body = noise(size)
    stored = await store_body(store, body, coding=coding)
    raw = await read_raw(store, stored)
    assert (stored.size, stored.sha256) == (size, sha256(body))
    assert (stored.stored_size, stored.stored_sha256) == (len(raw), sha256(raw))
    assert stored.coding == coding
    assert await read(store, stored) == body
    assert await uploads_of(store) == []


async def test_parts_are_all_alike_but_the_last(store: ObjectStore) -> None:
    stored = await store_body(store, noise(2 * PART + 1), coding=None)
    assert stored.etag.strip('"').endswith("-3")
    sizes = []
    for number in (1, 2, 3):
        part = await store.client.head_object(Bucket=BUCKET, Key=stored.key, PartNumber=number)
        sizes.append(part["ContentLength"])
    assert sizes == [PART, PART, 1]


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.usefixtures("store")
async def test_checksums_are_sent_where_they_are_wanted(moto: Moto, checksums: str) -> None:
    sent: list[bool] = []

    def look(request: Any, **_: Any) -> None:
        sent.append("x-amz-checksum-crc32" in request.headers)

    other = ObjectStore(make_settings(moto.endpoint_url, checksums=checksums), environ={})
    await other.start()
    try:
        other.client.meta.events.register("before-send.s3.PutObject", look)
        other.client.meta.events.register("before-send.s3.UploadPart", look)
        small = await other.put(b"small", uuid7(), "billing", content_type=None, coding=None)
        large = await store_body(other, noise(PART + 1), coding=None)
        assert await read(other, small) == b"small"
        assert await read(other, large) == noise(PART + 1)
    finally:
        await other.stop()
    assert sent == [checksums == "when_supported"] * 3


async def test_the_store_is_told_how_to_present_the_body(store: ObjectStore) -> None:
    stored = await store_body(
        store, b"a;b\n" * 1000, content_type="text/csv", content_disposition="inline; filename=a.csv"
    )
    told = await store.client.head_object(Bucket=BUCKET, Key=stored.key)
    assert told["ContentType"] == "text/csv"
    assert told["ContentEncoding"] == "gzip"
    assert told["ContentDisposition"] == "attachment; filename=a.csv"


async def test_in_style_file_the_object_is_a_file_named_gz(store: ObjectStore) -> None:
    stored = await store_body(store, b"a;b\n" * 1000, content_type="text/csv", style="file")
    told = await store.head(stored.key)
    assert stored.key.endswith(".gz")
    assert stored.content_encoding is None
    assert told is not None
    assert (told.content_type, told.content_encoding, told.size) == ("application/gzip", None, stored.stored_size)
    assert await read(store, stored) == b"a;b\n" * 1000


async def test_a_body_that_came_compressed_is_stored_as_it_is(store: ObjectStore) -> None:
    stored = await store_body(store, b"brotli, say", content_encoding="br")
    told = await store.head(stored.key)
    assert stored.coding is None
    assert stored.sha256 == stored.stored_sha256
    assert told is not None
    assert told.content_encoding == "br"
    assert await read(store, stored) == b"brotli, say"


async def test_encryption_is_asked_for(moto: Moto, store: ObjectStore) -> None:
    sse = {"type": "kms", "key_id": "alias/results"}
    other = ObjectStore(make_settings(moto.endpoint_url, sse=sse), environ={})
    await other.start()
    try:
        stored = [await other.put(b"x", uuid7(), "a", content_type=None, coding=None)]
        stored.append(await store_body(other, noise(PART + 1)))
        stored.append(await other.copy(stored[0], "copied"))
    finally:
        await other.stop()
    for one in stored:
        told = await store.client.head_object(Bucket=BUCKET, Key=one.key)
        assert told["ServerSideEncryption"] == "aws:kms"


async def test_an_upload_that_is_left_is_aborted(store: ObjectStore) -> None:
    async with store.open_upload(uuid7(), "billing", content_type=None, coding=None) as upload:
        async for piece in pieces_of(noise(2 * PART + MIB), MIB):
            await upload.write(piece)
        assert await uploads_of(store) == [upload.key]
    assert await uploads_of(store) == []
    assert await keys_of(store) == []
    await upload.abort()
    with pytest.raises(OffloadUnavailable):
        await upload.finish()


async def test_a_cancelled_upload_is_aborted(store: ObjectStore) -> None:
    upload = store.open_upload(uuid7(), "billing", content_type=None, coding=None)
    begun = asyncio.Event()

    async def write_on() -> None:
        while True:
            await upload.write(bytes(MIB))
            if upload.size > 2 * PART:
                begun.set()

    writing = asyncio.create_task(write_on())
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await uploads_of(store) == []
    assert await keys_of(store) == []


async def test_a_bucket_that_is_not_there_refuses(store: ObjectStore) -> None:
    for size in (1, 2 * PART):
        with pytest.raises(OffloadRefused) as caught:
            await store_body(store, noise(size), bucket="no-such-bucket", coding=None)
        assert (caught.value.code, caught.value.status) == ("NoSuchBucket", 404)


async def test_bucket_and_prefix_may_be_others(store: ObjectStore) -> None:
    await store.client.create_bucket(Bucket="elsewhere")
    stored = await store_body(store, b"x", bucket="elsewhere", prefix="orders/")
    assert stored.bucket == "elsewhere"
    assert stored.key.startswith("orders/2")
    assert await read(store, stored) == b"x"
    await store.delete([stored])
    assert await store.head(stored.key, bucket="elsewhere") is None


async def test_an_upload_that_the_store_forgot_is_worth_a_new_one(store: ObjectStore) -> None:
    upload = store.open_upload(uuid7(), "billing", content_type=None, coding=None)
    for _ in range(3):
        await upload.write(bytes(PART))
    await upload._sent()
    listed = await store.client.list_multipart_uploads(Bucket=BUCKET)
    await store.client.abort_multipart_upload(Bucket=BUCKET, Key=upload.key, UploadId=listed["Uploads"][0]["UploadId"])
    with pytest.raises((OffloadUnavailable, OffloadRefused)):
        await upload.finish()
    assert await keys_of(store) == []
