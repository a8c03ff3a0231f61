"""A full disk under Postgres: honest 503s while it is full, nothing lost, and everything goes on once there is room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate
from tests.acceptance.harness.load import offer_load, serve_load
from tests.acceptance.harness.waiting import wait_until
from tests.chaos.conftest import open_site
from tests.chaos.test_chaos import redrive_what_failed, until_settled
from tests.conftest import execute, run

MIB = 1024 * 1024


@pytest.fixture
def postgres_on_a_small_disk(small_disk: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(small_disk / "postgres", settings={"max_wal_size": "64MB"}) as server:
        run(execute(server.superuser_dsn, "CREATE DATABASE migrated"))
        run(migrate(server.dsn("migrated")))
        yield server


def fill(disk: Path) -> Path:
    """Leave no room at all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MIB))
        except OSError:
            return ballast


async def test_a_full_disk_loses_nothing(
    small_disk: Path, postgres_on_a_small_disk: EmbeddedPostgres, chaos_store: EmbeddedStore, tmp_path: Path
) -> None:
    postgres = postgres_on_a_small_disk
    async with open_site(0, postgres, chaos_store, tmp_path) as site:
        serve_load(site.world)
        for replica in site.replicas:
            await replica.start()
        async with offer_load(site.world, site.gateways, seed=0) as load:
            await load.until_accepted(100)
            with site.fault("the disk of Postgres is full"):
                ballast = fill(small_disk)
                # Room that was reserved goes first: then Postgres refuses to write, or ends itself.
                before = load.answers[503]
                await wait_until(lambda: load.answers[503] > before + 20, "requests that cannot be stored are refused")
                ballast.unlink()
                if not postgres.running:
                    site.story.tell("Postgres has ended itself; it is started again")
                    postgres.stop()
                    postgres.start()
            await load.until_accepted(100)
        await until_settled(site)
        await redrive_what_failed(site)
        verdict = await site.oracle.judge(site.dsn, load)
    assert verdict.jobs >= 200
