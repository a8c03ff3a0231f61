"""What else is asked of the store, and what is heard when it is away."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiobotocore.session import AioSession
from uuid_utils.compat import uuid7

from sidecar.dev.ports import free_port
from sidecar.model.errors import ConfigError
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadCorrupt, OffloadRefused, OffloadUnavailable
from sidecar.offload.keys import job_prefix
from sidecar.offload.store import ObjectStore
from sidecar.offload.telling import OPERATIONS
from sidecar.settings.offload import OffloadSettings
from tests.integration.offload.builders import BUCKET, keys_of, make_settings, read, read_raw
from tests.integration.offload.moto import Moto

GONE = StoredObject(BUCKET, "not/there", 1, b"", 1, b"", None, "")


async def put(store: ObjectStore, body: bytes = b"0123456789") -> StoredObject:
    return await store.put(body, uuid7(), "billing", content_type="text/plain", coding=None)


async def test_a_range_is_read_alone(store: ObjectStore) -> None:
    stored = await put(store)
    async with store.read_raw(stored, byte_range="bytes=2-4") as raw:
        assert (raw.length, raw.content_range) == (3, "bytes 2-4/10")
        assert [chunk async for chunk in raw.chunks()] == [b"234"]
    async with store.read_raw(stored) as raw:
        assert (raw.length, raw.content_range) == (10, None)


async def test_a_range_beyond_the_end_and_another_version_are_refused(store: ObjectStore) -> None:
    stored = await put(store)
    with pytest.raises(OffloadRefused) as caught:
        await read_raw(store, stored, "bytes=10-")
    assert caught.value.status == 416
    await store.client.put_object(Bucket=BUCKET, Key=stored.key, Body=b"another")
    with pytest.raises(OffloadRefused) as caught:
        await read(store, stored)
    assert caught.value.status == 412


async def test_another_body_of_the_same_version_is_told(store: ObjectStore) -> None:
    stored = await store.put(b"x" * 1000, uuid7(), "billing", content_type=None, coding="gzip")
    answer = await store.client.put_object(Bucket=BUCKET, Key=stored.key, Body=b"y" * 1000)
    wrong = StoredObject(
        stored.bucket, stored.key, 1000, stored.sha256, 1000, stored.stored_sha256, None, answer["ETag"]
    )
    with pytest.raises(OffloadCorrupt, match="not the one"):
        await read(store, wrong)


async def test_a_missing_object_has_no_head_and_cannot_be_read(store: ObjectStore) -> None:
    assert await store.head("not/there") is None
    with pytest.raises(OffloadRefused) as caught:
        await read(store, GONE)
    assert caught.value.code == "NoSuchKey"


async def test_head_tells_what_is_there(store: ObjectStore) -> None:
    stored = await put(store)
    head = await store.head(stored.key)
    assert head is not None
    assert (head.size, head.etag, head.content_type) == (10, stored.etag, "text/plain")
    assert datetime.now(UTC) - head.modified < timedelta(minutes=1)


async def test_a_copy_is_the_same_object_elsewhere(store: ObjectStore) -> None:
    stored = await put(store)
    copy = await store.copy(stored, "kept/copy")
    assert (copy.key, copy.sha256) == ("kept/copy", stored.sha256)
    assert await read(store, copy) == b"0123456789"
    head = await store.head("kept/copy")
    assert head is not None
    assert head.content_type == "text/plain"


async def test_what_is_deleted_is_gone_and_deleting_again_is_no_error(store: ObjectStore) -> None:
    stored = [await put(store) for _ in range(10)]
    await store.delete([*stored[:9], GONE])
    assert await keys_of(store) == [stored[9].key]
    await store.delete(stored)
    assert await keys_of(store) == []


async def test_an_object_that_cannot_be_deleted_keeps_no_other(store: ObjectStore) -> None:
    first, second = await put(store), await put(store)
    refused = StoredObject("no-such-bucket", "key", 1, b"", 1, b"", None, "")
    before, error, after = await store.delete_each([first, refused, second])
    assert (before, after) == (None, None)
    assert isinstance(error, OffloadRefused)
    assert error.code == "NoSuchBucket"
    assert await keys_of(store) == []
    with pytest.raises(OffloadRefused):
        await store.delete([refused])


async def test_the_objects_of_a_job_are_found_by_its_prefix(store: ObjectStore) -> None:
    job = uuid7()
    mine = [await store.put(b"x", job, service, content_type=None, coding=None) for service in ("a", "b")]
    await put(store)
    assert await keys_of(store, job_prefix("sidecar/", job)) == [stored.key for stored in mine]


async def test_a_store_that_is_away_is_unavailable_and_back_when_it_is_back(moto: Moto, store: ObjectStore) -> None:
    stored = await put(store)
    moto.stop()
    try:
        heard = await asyncio.gather(
            put(store), store.head(stored.key), read(store, stored), store.delete([stored]), return_exceptions=True
        )
        assert [type(error) for error in heard] == [OffloadUnavailable] * 4
        assert (await store.presign_get(stored)).url.startswith(moto.endpoint_url)
    finally:
        moto.start()
    await store.client.create_bucket(Bucket=BUCKET)
    assert await read(store, await put(store)) == b"0123456789"


async def test_before_the_start_and_after_the_stop_it_is_unavailable(moto: Moto) -> None:
    store = ObjectStore(make_settings(moto.endpoint_url), environ={})
    await store.stop()
    with pytest.raises(OffloadUnavailable):
        await store.head("x")
    await store.start()
    await store.stop()
    await store.stop()
    with pytest.raises(OffloadUnavailable):
        await store.presign_get(GONE)


def test_a_store_without_a_bucket_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match=r"offload\.bucket"):
        ObjectStore(OffloadSettings())


async def test_each_call_is_told_with_what_came_of_it(moto: Moto, aws: AioSession, store: ObjectStore) -> None:
    calls: list[tuple[str, str]] = []
    times: list[float] = []

    def told(operation: str, result: str, seconds: float) -> None:
        calls.append((operation, result))
        times.append(seconds)

    stored = await put(store)
    watched = ObjectStore(make_settings(moto.endpoint_url), environ={}, session=aws, told=told)
    away = ObjectStore(make_settings(f"http://127.0.0.1:{free_port()}"), environ={}, session=aws, told=told)
    await watched.start()
    await away.start()
    try:
        await put(watched)
        await read(watched, stored)
        with pytest.raises(OffloadRefused):
            await read(watched, GONE)
        with pytest.raises(OffloadUnavailable):
            await put(away)
    finally:
        await watched.stop()
        await away.stop()
    assert set(calls) >= {("GetObject", "ok"), ("GetObject", "refused")}
    assert any(result == "ok" and operation in {"PutObject", "UploadPart"} for operation, result in calls)
    assert calls[-1][1] == "failed"
    assert {operation for operation, _ in calls} <= set(OPERATIONS)
    assert all(seconds > 0 for seconds in times)
