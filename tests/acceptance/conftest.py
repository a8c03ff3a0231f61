"""Fixtures of the acceptance tests: a world around the sidecar, and replicas of it as processes."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import Ports, make_settings
from tests.acceptance.harness.world import Places, World, open_world

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
