"""Where the store has to be a real one: signatures, ends of links, crashes, and what clients make of the bytes."""

import asyncio
import contextlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import requests
from uuid_utils.compat import uuid7

from sidecar.dev.object_store import EmbeddedStore
from sidecar.model.shape import Style
from sidecar.model.stored import Coding, StoredObject
from sidecar.offload.errors import OffloadRefused, OffloadUnavailable
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import PART, Upload
from tests.integration.offload.builders import (
    MIB,
    keys_of,
    make_keys,
    noise,
    pieces_of,
    read,
    real_settings,
    sha256,
    uploads_of,
)

BODY = b'{"rows": [' + b'{"name": "a customer", "amount": 12.5},' * 50_000 + b"{}]}"


async def put(
    store: ObjectStore, body: bytes = BODY, *, coding: Coding | None = "gzip", style: Style = "encoded"
) -> StoredObject:
    return await store.put(body, uuid7(), "billing", content_type="application/json", coding=coding, style=style)


async def write_on(upload: Upload, size: int) -> None:
    for _ in range(size // MIB):
        await upload.write(noise(MIB))


async def read_when_back(store: ObjectStore, stored: StoredObject) -> bytes:
    """Read; the store's own parts may need a moment after a start to find each other."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OffloadUnavailable):
                return await read(store, stored)


async def get(url: str, *, decompress: bool = False) -> tuple[int, bytes]:
    async with aiohttp.ClientSession(auto_decompress=decompress) as session, session.get(url) as answer:
        return answer.status, await answer.read()


def by_requests(url: str, *, raw: bool) -> bytes:
    """Download with the library that most Python programs use: by default it decodes what Content-Encoding says."""
    with requests.get(url, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
        body: bytes = answer.raw.read() if raw else answer.content
        return body


async def output(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said


@pytest.mark.parametrize("coding", ["gzip", "zstd", None])
async def test_a_body_in_many_parts_comes_back_as_it_was(real: ObjectStore, coding: Coding | None) -> None:
    body = noise(2 * PART + 12_345)
    async with real.open_upload(uuid7(), "billing", content_type=None, coding=coding) as upload:
        async for piece in pieces_of(body):
            await upload.write(piece)
        stored = await upload.finish()
    assert await read(real, stored) == body
    assert (stored.sha256, stored.size) == (sha256(body), len(body))


async def test_wrong_keys_are_refused(real_server: EmbeddedStore, real: ObjectStore) -> None:
    stored = await put(real)
    for keys in (make_keys(real_server.access_key, "wrong"), make_keys("nobody", real_server.secret_key)):
        stranger = ObjectStore(real_settings(real_server, credentials=keys), environ={})
        await stranger.start()
        try:
            with pytest.raises(OffloadRefused) as caught:
                await put(stranger)
            assert caught.value.status == 403
            status, _ = await get((await stranger.presign_get(stored)).url)
            assert status == 403
        finally:
            await stranger.stop()


async def test_a_link_serves_its_object_and_nothing_else(real: ObjectStore) -> None:
    stored, other = await put(real), await put(real, b"other")
    url = (await real.presign_get(stored, content_type="text/plain")).url
    status, body = await get(url)
    assert (status, sha256(body)) == (200, stored.stored_sha256)
    changed = (
        url.replace(stored.key, other.key),
        url.replace("X-Amz-Expires=86400", "X-Amz-Expires=86401"),
        url.replace("text%2Fplain", "text%2Fhtml"),
        url.partition("?")[0],
    )
    assert url not in changed
    assert [(await get(one))[0] for one in changed] == [403] * 4


async def test_a_link_ends(real: ObjectStore) -> None:
    link = await real.presign_get(await put(real), ttl=1)
    async with asyncio.timeout(60):
        while (answer := await get(link.url))[0] == 200:
            assert datetime.now(UTC) < link.expires_at + timedelta(seconds=30)
    assert answer[0] == 403


async def test_an_upload_link_takes_any_content_headers_and_is_found(real: ObjectStore) -> None:
    key = real.new_key(uuid7(), "billing")
    link = await real.presign_put(key)
    headers = {"content-type": "text/csv", "content-encoding": "gzip"}
    async with aiohttp.ClientSession() as session:
        async with session.put(link.url, data=b"1;2", headers=headers) as answer:
            assert answer.status == 200
        async with session.put(link.url.replace(key, key + "x"), data=b"1;2") as answer:
            assert answer.status == 403
    head = await real.head(key)
    assert head is not None
    assert (head.size, head.content_type, head.content_encoding) == (3, "text/csv", "gzip")


@pytest.mark.parametrize(("coding", "style"), [("gzip", "encoded"), ("gzip", "file"), (None, "encoded")])
async def test_what_clients_get_matches_one_of_the_two_digests(
    real: ObjectStore, coding: Coding | None, style: Style
) -> None:
    stored = await put(real, coding=coding, style=style)
    url = (await real.presign_get(stored)).url
    bodies = [await output("curl", "-sS", url), await output("curl", "-sS", "--compressed", url)]
    bodies += [(await get(url, decompress=decompress))[1] for decompress in (True, False)]
    bodies += [await asyncio.to_thread(by_requests, url, raw=raw) for raw in (True, False)]
    digests = {sha256(body) for body in bodies}
    encoded = coding is not None and style == "encoded"
    assert digests == ({stored.sha256, stored.stored_sha256} if encoded else {stored.stored_sha256})


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here")
async def test_javas_client_gets_the_stored_bytes(real: ObjectStore) -> None:
    stored = await put(real)
    source = str(Path(__file__).with_name("Get.java"))
    said = await output("java", "-XX:TieredStopAtLevel=1", source, (await real.presign_get(stored)).url)
    assert said.decode().split() == ["200", stored.stored_sha256.hex()]


async def test_only_uploads_that_are_old_enough_are_swept(real: ObjectStore) -> None:
    upload = real.open_upload(uuid7(), "billing", content_type=None, coding=None, prefix="swept/")
    for _ in range(2):
        await upload.write(noise(PART))
    await upload._sent()
    assert await real.abort_stale_uploads("swept/", older_than=3600) == 0
    assert upload.key in await uploads_of(real)
    later = datetime.now(UTC) + timedelta(hours=2)
    assert await real.abort_stale_uploads("other/", older_than=3600, now=later) == 0
    assert await real.abort_stale_uploads("swept/", older_than=3600, now=later) == 1
    assert upload.key not in await uploads_of(real)
    await upload.abort()


async def test_a_store_that_is_killed_in_mid_upload_is_unavailable_and_nothing_half_is_stored(
    real_server: EmbeddedStore, real: ObjectStore
) -> None:
    kept = await put(real)
    upload = real.open_upload(uuid7(), "billing", content_type=None, coding=None, prefix="killed/")
    await write_on(upload, 2 * PART + MIB)
    real_server.kill()
    try:
        with pytest.raises(OffloadUnavailable):
            await write_on(upload, 4 * PART)
    finally:
        real_server.start()
    assert await keys_of(real, "killed/") == []
    assert await read_when_back(real, kept) == BODY
    assert await real.abort_stale_uploads("killed/", older_than=0, now=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await read(real, await put(real)) == BODY
