"""Small settings, bodies and questions for tests of the store."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from random import Random
from typing import Any

from pydantic import SecretStr

from sidecar.dev.object_store import EmbeddedStore
from sidecar.model.stored import StoredObject
from sidecar.offload.store import ObjectStore
from sidecar.settings.offload import OffloadSettings, StoreKeys

BUCKET = "results"
MIB = 1024 * 1024


def make_keys(access_key: str = "a-key", secret_key: str = "a-secret") -> StoreKeys:
    return StoreKeys(access_key=SecretStr(access_key), secret_key=SecretStr(secret_key))


def make_settings(endpoint_url: str | None, /, **over: Any) -> OffloadSettings:
    return OffloadSettings(**{"bucket": BUCKET, "endpoint_url": endpoint_url, "credentials": make_keys(), **over})


def real_settings(server: EmbeddedStore, **over: Any) -> OffloadSettings:
    return make_settings(
        server.endpoint_url, **{"credentials": make_keys(server.access_key, server.secret_key), **over}
    )


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller."""
    return Random(seed).randbytes(size)


async def read(store: ObjectStore, stored: StoredObject) -> bytes:
    async with aclosing(store.read(stored)) as pieces:
        return b"".join([piece async for piece in pieces])


async def read_raw(store: ObjectStore, stored: StoredObject, byte_range: str | None = None) -> bytes:
    async with store.read_raw(stored, byte_range=byte_range) as raw:
        return b"".join([chunk async for chunk in raw.chunks()])


async def keys_of(store: ObjectStore, prefix: str = "") -> list[str]:
    return [listed.key async for listed in store.list(prefix)]


async def uploads_of(store: ObjectStore) -> list[str]:
    """Keys of uploads under way."""
    listed = await store.client.list_multipart_uploads(Bucket=store.bucket)
    return [item["Key"] for item in listed.get("Uploads", ())]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def pieces_of(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
