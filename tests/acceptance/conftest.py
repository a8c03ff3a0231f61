"""Fixtures of the acceptance tests: a world around the sidecar, and replicas of it as processes."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.harness.flows import Flow, flow_routes
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import Ports, make_settings
from tests.acceptance.harness.world import Places, World, open_world
from tests.conftest import execute, run

MakeReplica = Callable[..., Replica]


@pytest.fixture
def places() -> Places:
    return Places.free()


@pytest.fixture
async def world(places: Places) -> AsyncIterator[World]:
    async with open_world(places) as opened:
        yield opened


@pytest.fixture
def make_replica(database: str, tmp_path: Path) -> Iterator[MakeReplica]:
    """Make replicas on the test's database; they share callback addresses and end with the test."""
    made: list[Replica] = []

    def make(routes: list[dict[str, Any]], *, workers: int = 1, over: Mapping[str, Any] | None = None) -> Replica:
        ports = Ports.free()
        shared = made[0].ports.callbacks_url if made else ports.callbacks_url
        settings = make_settings(database, ports, routes, callbacks_url=shared, over=over)
        replica = Replica(tmp_path, ports, settings, name=f"replica-{len(made) + 1}", workers=workers)
        made.append(replica)
        return replica

    try:
        yield make
    finally:
        for replica in made:
            replica.kill()


@pytest.fixture(scope="module")
def module_database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database that the tests of one file share."""
    name = f"module_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield postgres.dsn(name)
    finally:
        run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def flow_places() -> Places:
    return Places.free()


@pytest.fixture(scope="module")
def flow_replica(
    module_database: str, flow_places: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replica]:
    """One process for the tests of a file, whose gateway identifies itself."""
    ports = Ports.free()
    patient = {"gateway": {"wait": "20s", "max_wait": "30s"}}  # who waits is told, however slow the machine is
    settings = make_settings(module_database, ports, flow_routes(flow_places), secret=True, over=patient)
    replica = Replica(tmp_path_factory.mktemp("flow"), ports, settings)
    replica.spawn()
    try:
        yield replica
    finally:
        replica.kill()


@pytest.fixture
async def flow(flow_places: Places, flow_replica: Replica) -> AsyncIterator[Flow]:
    """A world of its own for each test, around the process that they share."""
    async with open_world(flow_places) as opened:
        await flow_replica.until_ready()
        yield Flow(opened, flow_replica)
