"""Uploads in parts that nobody completed or aborted: kills leave some, and a duty of the sidecar removes them."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.keeping import object_places
from sidecar.offload.store import ObjectStore
from sidecar.schedule.abandoned import AbandonedUploads
from sidecar.settings.root import Settings
from sidecar.telemetry.log import make_log


@asynccontextmanager
async def open_store(settings: Settings, *, endpoint_url: str) -> AsyncIterator[ObjectStore]:
    """Open the store of a site, by another way than its replicas take."""
    assert settings.offload is not None
    store = ObjectStore(settings.offload.model_copy(update={"endpoint_url": endpoint_url}), environ={})
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


async def left_uploads(store: ObjectStore) -> list[str]:
    """List the keys of all that were begun and are not over, wherever in the bucket."""
    pages = store.client.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket)
    return [item["Key"] async for page in pages for item in page.get("Uploads", ())]


async def sweep_uploads(settings: Settings, store: ObjectStore) -> None:
    """Do what a replica does every hour, as if more than a day had passed since the uploads began."""
    assert settings.offload is not None
    log = make_log("json", "info", io.BytesIO())
    await AbandonedUploads(store, places=object_places(settings, settings.offload), older_than=0.0, log=log).run_once()


async def check_uploads(settings: Settings, *, endpoint_url: str) -> int:
    """Check that no upload stays once the sidecar has removed what is abandoned; tell how many there were.

    Args:
        settings: Those of a replica.
        endpoint_url: Where the store is.
    """
    async with open_store(settings, endpoint_url=endpoint_url) as store:
        left = await left_uploads(store)
        await sweep_uploads(settings, store)
        assert await left_uploads(store) == [], "uploads that the sidecar would never remove"
    return len(left)
