"""Real helm installs, upgrades, rolls back and uninstalls on a cluster that runs the chart's pods as processes.

``tests/chart/cluster/cluster.py`` says what that cluster is, and what it is not.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
import yaml

from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.harness.audit import audit, query
from tests.acceptance.harness.load import load_routes, offer_load, serve_load
from tests.acceptance.harness.site import Ports, make_settings
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.world import Places, World, open_world
from tests.chart.cluster.cluster import Cluster, open_cluster
from tests.chart.cluster.process import Container
from tests.chart.conftest import obtain
from tests.chart.rendering import CHART
from tests.chart.tools import WHEELS, Tools
from tests.conftest import execute, run

REPLICAS = 2
BORNE = 8  # failures of a probe in a row: as many as a slow machine may cause
FLAGS = ("--wait", "--timeout", "120s", "--disable-openapi-validation")
LOST_ANSWERS = 90.0  # seconds: rows whose commit was not confirmed are looked for after three statement time-outs
WORKERS = "SELECT count(*) AS alive FROM worker WHERE dead_at IS NULL"


@pytest.fixture
def databases(postgres: EmbeddedPostgres) -> Iterator[tuple[str, str]]:
    """An empty database for the ledger, which nobody has migrated, and one for helm's releases."""
    names = [f"chart_{uuid4().hex}", f"helm_{uuid4().hex}"]
    for name in names:
        run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name}"))
    try:
        yield postgres.dsn(names[0]), postgres.dsn(names[1])
    finally:
        for name in names:
            run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


class Stage:
    """A release, its values, and the world around it."""

    def __init__(self, cluster: Cluster, world: World, *, dsn: str, places: Places, folder: Path) -> None:
        self.cluster = cluster
        self.world = world
        self.dsn = dsn
        self._values = folder / "values.yaml"
        self.values = site_values(dsn, places)

    async def helm(self, verb: str, *more: str) -> str:
        """Run helm, which must succeed, with the chart where the verb wants one."""
        code, printed = await self.attempt(verb, *more)
        assert code == 0, f"{printed}\n{self.cluster.tail()}"
        return printed

    async def attempt(self, verb: str, *more: str) -> tuple[int, str]:
        if verb not in {"install", "upgrade"}:
            return await self.cluster.helm(verb, "sidecar", *more)
        self._values.write_text(yaml.safe_dump(self.values))
        return await self.cluster.helm(verb, "sidecar", str(CHART), "-f", str(self._values), *FLAGS, *more)

    @property
    def gateway(self) -> str:
        return self.cluster.url("sidecar-gateway", 8080)

    def settings(self) -> Any:
        """The settings that the pods have now."""
        found = self.cluster.store.get("configmaps", "sidecar")
        assert found is not None
        return yaml.safe_load(found["data"]["sidecar.yaml"])

    async def until_gone(self, names: set[str]) -> None:
        """Wait until these pods have ended: helm does not wait for the old ones."""
        await wait_until(lambda: names.isdisjoint(pod.name for pod in self.cluster.serving), f"the end of {names}")

    def availability(self) -> list[int]:
        """How many pods were available, at each change, from the first moment that all were."""
        told = [status.get("availableReplicas", 0) for status in self.cluster.store.statuses("deployments", "sidecar")]
        return told[told.index(REPLICAS) :]


def site_values(dsn: str, places: Places) -> dict[str, Any]:
    """Values for a site of the harness: its settings, with the secrets taken out of them."""
    address = urlsplit(dsn)
    settings = make_settings(dsn, Ports(8080, 8081, 8082), load_routes(places.services_url))
    for listener in ("gateway", "callbacks", "admin"):
        del settings[listener]["listen"]
    del settings["callbacks"]["base_url"]
    secrets = {
        "callback-tokens": "\n".join(settings["callbacks"].pop("token_secrets")),
        "db-password": unquote(address.password or ""),
    }
    settings["callbacks"]["token_secrets_file"] = "/secrets/callback-tokens"
    settings["database"]["dsn"] = f"postgresql://{address.username}@{address.hostname}:{address.port}{address.path}"
    settings["database"]["password_file"] = "/secrets/db-password"
    return {
        "config": settings,
        "secrets": {"create": secrets},
        "replicaCount": REPLICAS,
        "preStopSeconds": 1,
        "migrations": {"backoffLimit": 0},
        "probes": {name: {"periodSeconds": 1, "failureThreshold": BORNE} for name in ("liveness", "readiness")},
    }


@asynccontextmanager
async def open_stage(tools: Tools, databases: tuple[str, str], folder: Path) -> AsyncIterator[Stage]:
    places = Places.free()
    releases = f"{databases[1]}?sslmode=disable"
    shutil.rmtree(folder / "cluster", ignore_errors=True)
    (folder / "cluster").mkdir()
    async with open_world(places) as world, open_cluster(folder / "cluster", tools, releases=releases) as cluster:
        serve_load(world)
        yield Stage(cluster, world, dsn=databases[0], places=places, folder=folder)


@pytest.fixture
async def stage(tools: Tools, databases: tuple[str, str], tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tools, databases, tmp_path) as opened:
        yield opened


async def test_nothing_is_lost_from_install_over_upgrade_and_rollback_to_uninstall(stage: Stage) -> None:
    cluster = stage.cluster
    await stage.helm("install")
    first, *_ = order(cluster, "jobs", "deployments")
    assert first == "jobs"  # the database was empty: without the migration before them, no pod would have started
    assert cluster.store.get("jobs", "sidecar-migrate") is None  # and it cleaned up
    assert len(cluster.serving) == REPLICAS
    assert "ok" in await stage.helm("test", "--logs")
    async with offer_load(stage.world, [stage.gateway], clients=6) as load:
        await load.until_accepted(60)
        before = {pod.name for pod in cluster.serving}
        stage.values["config"]["worker"]["drain_timeout"] = "6s"
        await stage.helm("upgrade", "--set", "image.tag=2.0.0")
        assert stage.settings()["worker"]["drain_timeout"] == "6s"
        await stage.until_gone(before)
        await load.until_accepted(60)
        await stage.helm("rollback", "1", "--wait", "--timeout", "120s")
        assert stage.settings()["worker"]["drain_timeout"] == "5s"
        await load.until_accepted(60)
    findings = await audit(stage.dsn, load)
    assert findings.jobs == len(load.accepted) > 180
    assert min(stage.availability()) == REPLICAS  # never fewer than wanted
    assert cluster.services.refused == []  # no connection met a pod that was gone
    assert cluster.api.unknown == []
    history = yaml.safe_load(await stage.helm("history", "--output", "yaml"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    await stage.helm("uninstall", "--wait")
    await wait_until(lambda: not cluster.kubelet.pods, "no pod is left")
    kinds = ("configmaps", "secrets", "services", "deployments", "jobs", "networkpolicies", "poddisruptionbudgets")
    assert [found for kind in kinds for found in cluster.store.all(kind)] == []
    ended = [pod.containers[0] for pod in cluster.kubelet.ended if pod.owner == "ReplicaSet"]
    assert len(ended) == 3 * REPLICAS
    assert [(each.exit_code, each.restarts) for each in ended] == [(0, 0)] * len(ended)  # none had to be killed
    assert (await query(stage.dsn, WORKERS))[0]["alive"] == 0


def alive(container: Container, goal: int) -> bool:
    return container.probes["liveness", True] >= goal


def order(cluster: Cluster, *resources: str) -> list[str]:
    """In which order objects of these resources came."""
    added = [change.resource for change in cluster.store.history if change.type == "ADDED"]
    return [resource for resource in added if resource in resources]


async def test_a_migration_that_fails_leaves_everything_as_it_was(stage: Stage) -> None:
    await stage.helm("install")
    before = {pod.name for pod in stage.cluster.serving}
    deployed = stage.cluster.store.get("deployments", "sidecar")
    stage.values["migrations"]["dsn"] = "postgresql://nobody@127.0.0.1:1/nowhere"
    code, printed = await stage.attempt("upgrade", "--set", "image.tag=2.0.0")
    assert code != 0
    assert "pre-upgrade" in printed
    assert {pod.name for pod in stage.cluster.serving} == before
    now = stage.cluster.store.get("deployments", "sidecar")
    assert deployed is not None
    assert now is not None
    assert now["spec"] == deployed["spec"]
    assert stage.cluster.store.get("jobs", "sidecar-migrate") is not None  # it stays, for its log
    del stage.values["migrations"]["dsn"]
    await stage.helm("upgrade", "--set", "image.tag=2.0.0")
    await stage.until_gone(before)


async def test_pods_survive_an_outage_of_the_database(
    databases: tuple[str, str], tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    """With one version of helm, since it is the pods that count."""
    async with open_stage(obtain(WHEELS[-1]), databases, tmp_path) as stage:
        await outage(stage, postgres)


async def outage(stage: Stage, postgres: EmbeddedPostgres) -> None:
    await stage.helm("install")
    pods = stage.cluster.serving
    containers = [pod.containers[0] for pod in pods]
    async with offer_load(stage.world, [stage.gateway], clients=2) as load:
        await load.until_accepted(20)
        await asyncio.to_thread(postgres.stop)
        try:
            await wait_until(lambda: load.answers[503], "callers are told")
            for each in containers:
                goal = each.probes["liveness", True] + BORNE + 1
                await wait_until(partial(alive, each, goal), "it is found alive")
            assert all(each.ready for each in containers)  # so that callers get 503 and not nobody
        finally:
            postgres.start()  # here, since it ends with the thread that started it
        await load.until_accepted(20)
    await audit(stage.dsn, load, timeout=LOST_ANSWERS)
    assert stage.cluster.serving == pods
    assert [each.restarts for each in containers] == [0, 0]
    assert stage.cluster.services.refused == []
