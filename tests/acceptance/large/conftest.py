"""Fixtures of the tests of large bodies."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.offload.store import ObjectStore
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.world import World
from tests.acceptance.large.bench import Backend, Bench
from tests.integration.offload.builders import (
    BUCKET,
    real_settings,
)


@pytest.fixture(scope="module")  # an idle store takes an eighth of a core
def store_server(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "large", bucket=BUCKET) as server:
        yield server


@pytest.fixture
def download() -> str:
    """How results are served; tests override it."""
    return "redirect"


@pytest.fixture
def offload(store_server: EmbeddedStore, tmp_path: Path, download: str) -> dict[str, Any]:
    """The settings of the store."""
    store_server.start()
    for name, key in (("access", store_server.access_key), ("secret", store_server.secret_key)):
        (tmp_path / name).write_text(key)
    return {
        "bucket": BUCKET,
        "endpoint_url": store_server.endpoint_url,
        "credentials": {"access_key_file": str(tmp_path / "access"), "secret_key_file": str(tmp_path / "secret")},
        "download": download,
    }


@pytest.fixture
def over(offload: dict[str, Any]) -> dict[str, Any]:
    """What is added to the settings; tests override it."""
    return {"offload": offload}


@pytest.fixture
def backend() -> Backend:
    return Backend(free_port())


@pytest.fixture
def routes(backend: Backend) -> list[dict[str, Any]]:
    """The routes; tests override them."""
    origin = backend.server.url
    return [
        route("/one", service("billing", origin)),
        route("/stock", service("stock", origin, completion="response")),
        route("/offered", service("billing", origin, offer_upload=True)),
        route("/each", service("billing", origin), service("stock", origin)),
        route("/all", service("billing", origin), service("stock", origin), gather="all"),
    ]


@pytest.fixture
def replica(make_replica: MakeReplica, routes: list[dict[str, Any]], over: dict[str, Any]) -> Replica:
    """The process, not yet started."""
    return make_replica(routes, over=over)


@pytest.fixture
async def bench(
    world: World, replica: Replica, store_server: EmbeddedStore, database: str, backend: Backend
) -> AsyncIterator[Bench]:
    await backend.server.start()
    store = ObjectStore(real_settings(store_server), environ={})
    await store.start()
    try:
        await replica.start()
        yield Bench(world, replica, store_server, store, backend, database)
    except BaseException as error:
        error.add_note(replica.tail())
        raise
    finally:
        await store.stop()
        await backend.server.stop()
