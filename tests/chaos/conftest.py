"""Fixtures of the chaos suite: servers of its own, ways to them that can fail, and two replicas."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate
from tests.acceptance.harness.guarded import bearer
from tests.acceptance.harness.key_manager import KeyManager
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.world import Places, open_world
from tests.chaos.oracle import Oracle
from tests.chaos.site import BUCKET, Site, make_replicas
from tests.chaos.story import Story
from tests.chaos.ways import open_way
from tests.conftest import execute, run

CONNECTIONS = 60
"""Of Postgres: few, so that they can be used up."""


@pytest.fixture(scope="module")
def chaos_postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A server for this suite, which no other test needs."""
    settings = {"max_connections": str(CONNECTIONS)}
    with EmbeddedPostgres(directory / "chaos-postgres", settings=settings) as server:
        run(execute(server.superuser_dsn, "CREATE DATABASE migrated"))
        run(migrate(server.dsn("migrated")))
        yield server


@pytest.fixture(scope="module")
def chaos_store(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "chaos-store", bucket=BUCKET) as server:
        yield server


@pytest.fixture
def seed() -> int:
    """Overridden by the parameters of a test."""
    return 1


@pytest.fixture
async def site(
    seed: int, chaos_postgres: EmbeddedPostgres, chaos_store: EmbeddedStore, tmp_path: Path
) -> AsyncIterator[Site]:
    async with open_site(seed, chaos_postgres, chaos_store, tmp_path) as opened:
        yield opened


def open_site(seed: int, postgres: EmbeddedPostgres, store: EmbeddedStore, directory: Path) -> "OpenSite":
    """Open a site on a fresh database."""
    return OpenSite(seed, postgres, store, directory)


class OpenSite:
    """Everything of a site, opened in order and closed in the reverse order, with its story told on failure."""

    def __init__(self, seed: int, postgres: EmbeddedPostgres, store: EmbeddedStore, directory: Path) -> None:
        self._stack = AsyncExitStack()
        self._seed = seed
        self._postgres = postgres
        self._store = store
        self._directory = directory
        self._site: Site | None = None

    async def __aenter__(self) -> Site:
        stack, postgres, store = self._stack, self._postgres, self._store
        postgres.start()
        store.start()
        name = f"chaos_{uuid4().hex}"
        run_here = f"CREATE DATABASE {name} TEMPLATE migrated"
        await execute(postgres.superuser_dsn, run_here)
        places = Places.free()
        authority = Authority(self._directory)
        key_manager = await self._key_manager(authority)
        world = await stack.enter_async_context(open_world(places, webhook_tls=authority.server()))
        to_database = await stack.enter_async_context(open_way(postgres.port))
        to_store = await stack.enter_async_context(open_way(int(store.endpoint_url.rpartition(":")[2])))
        to_webhook = await stack.enter_async_context(open_way(places.webhooks))
        site = self._site = Site(
            world=world,
            oracle=Oracle(lambda message: bearer(key_manager)(message) < 300),
            postgres=postgres,
            store=store,
            to_database=to_database,
            to_store=to_store,
            to_webhook=to_webhook,
            to_key_manager=await stack.enter_async_context(open_way(key_manager.port)),
            key_manager=key_manager,
            authority=authority,
            dsn=postgres.dsn(name),
            story=Story(self._seed),
        )
        stack.callback(site.kill_replicas)
        make_replicas(site, places, self._directory)
        return site

    async def _key_manager(self, authority: Authority) -> KeyManager:
        key_manager = KeyManager(free_port(), authority.server())
        await key_manager.start()
        self._stack.push_async_callback(key_manager.stop)
        return key_manager

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        site = self._site
        if error is not None and site is not None:
            error.add_note(str(site.story))
            for replica in site.replicas:
                error.add_note(replica.tail())
        await self._stack.aclose()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own that can be filled up."""
    path = Path(tempfile.mkdtemp(prefix="sidecar-small-disk-"))
    mounting = ["mount", "-t", "tmpfs", "-o", "size=600m,mode=711", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode:
        path.rmdir()
        pytest.skip("a small file system needs the right to mount one: run this test as root, on Linux")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        shutil.rmtree(path, ignore_errors=True)
