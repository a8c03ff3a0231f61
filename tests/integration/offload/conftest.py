"""Two kinds of stores: moto's for breadth, a real one where signatures, crashes and bytes matter."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiobotocore.session import AioSession

from sidecar.dev.object_store import EmbeddedStore
from sidecar.offload.store import ObjectStore
from tests.integration.offload.builders import BUCKET, make_settings, real_settings
from tests.integration.offload.moto import Moto


@pytest.fixture(scope="session")
def moto(directory: Path) -> Iterator[Moto]:
    with Moto(directory / "moto.log") as server:
        yield server


@pytest.fixture(scope="module")  # an idle store takes an eighth of a core
def real_server(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "store", bucket=BUCKET) as server:
        yield server


@pytest.fixture(scope="session")
def aws() -> AioSession:
    """One for all tests: each new one reads S3's description of two megabytes anew."""
    return AioSession()


@pytest.fixture
async def store(moto: Moto, aws: AioSession) -> AsyncIterator[ObjectStore]:
    """A client of moto, with an empty bucket."""
    opened = ObjectStore(make_settings(moto.endpoint_url), environ={}, session=aws)
    await opened.start()
    try:
        await opened.client.create_bucket(Bucket=BUCKET)
        await opened.delete_keys([(BUCKET, listed.key) async for listed in opened.list("")])
        yield opened
    finally:
        await opened.stop()


@pytest.fixture
async def real(real_server: EmbeddedStore, aws: AioSession) -> AsyncIterator[ObjectStore]:
    """A client of the real store."""
    real_server.start()
    opened = ObjectStore(real_settings(real_server), environ={}, session=aws)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()
