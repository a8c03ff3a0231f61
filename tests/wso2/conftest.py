"""One real engine for the whole session, in front of one real sidecar."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from multidict import CIMultiDict

from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.kit.die_with_parent import dying_with_parent
from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.site import GATEWAY_KEY, Ports, make_settings
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.world import Places, World, named, open_world
from tests.conftest import ENGINE, execute, run
from tests.wso2.engine.maven import environment, synapse_classpath
from tests.wso2.engine.synapse import Synapse
from tests.wso2.variants import KEY_PROPERTY, Addresses, demo_routes, gateway_definitions

STARTING = 240.0  # seconds; a Java virtual machine on a slow one
RecordProperty = Callable[[str, object], None]

CALLER = {"content-type": "application/json", "x-test-application": "17", "x-test-key-type": "PRODUCTION"}
"""What API Manager would find out about a caller."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """An engine with its APIs, the sidecar behind it, and the world around both."""

    engine: Synapse
    replica: Replica
    world: World
    places: Places

    async def send(
        self, api: str, path: str, body: bytes = b'{"n": 1}', *, method: str = "POST", app: str = "17", **headers: str
    ) -> Answer:
        """Send a request to one API as a caller; the application is what API Manager would find out."""
        sent = CALLER | {"x-test-application": app} | named(headers)
        return await self.world.client.send(method, f"{self.engine.url}/{api}/1.0.0{path}", body=body, headers=sent)

    async def send_all(self, api: str, path: str, *headers: tuple[str, str]) -> Answer:
        """Send a request whose headers may repeat."""
        sent = CIMultiDict([*CALLER.items(), *headers])
        return await self.world.client.send("POST", f"{self.engine.url}/{api}/1.0.0{path}", body=b"{}", headers=sent)

    async def accepted(self, api: str, path: str, body: bytes = b'{"n": 1}', *, app: str = "17", **headers: str) -> Any:
        """Send a request that is accepted; what the answer says of the job."""
        answer = await self.send(api, path, body, app=app, callback_url=self.world.hook, **headers)
        assert answer.status == 202, answer
        assert answer.json["job_id"] == answer.headers["x-job-id"]
        return answer.json


@pytest.fixture(scope="session")
def places() -> Places:
    return Places.free()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, places: Places, sidecar_ports: Ports) -> Iterator[Synapse]:
    directory = tmp_path_factory.mktemp("synapse")
    classpath = synapse_classpath(directory / "maven")
    properties = {KEY_PROPERTY: GATEWAY_KEY}
    started = Synapse(directory, classpath, free_port(), properties=properties)
    started.start(gateway_definitions(Addresses(places, sidecar_ports.gateway_url, started.url)))
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def sidecar_ports() -> Ports:
    return Ports.free()


@pytest.fixture(scope="session")
def gateway_database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"wso2_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield postgres.dsn(name)
    finally:
        run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def gateway_replica(
    engine: Synapse,
    gateway_database: str,
    places: Places,
    sidecar_ports: Ports,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replica]:
    """A sidecar that believes the engine only; it starts while the engine does."""
    settings = make_settings(gateway_database, sidecar_ports, demo_routes(places, engine.url), secret=True)
    settings["gateway"] |= {"public_url": engine.url, "wait": "20s", "max_wait": "30s"}
    replica = Replica(tmp_path_factory.mktemp("sidecar"), sidecar_ports, settings, name="behind-synapse")
    replica.spawn()
    try:
        yield replica
    finally:
        replica.kill()


@pytest.fixture
async def gateway(
    engine: Synapse, gateway_replica: Replica, places: Places, record_property: RecordProperty
) -> AsyncIterator[Gateway]:
    """A world of its own for each test, around the engine and the sidecar that all share."""
    record_property(ENGINE, engine.version)
    async with open_world(places) as world:
        world.services.behaviours["billing"] = world.services.answers(202)
        world.other.behaviours["backend"] = world.other.responds(lambda _: b"from the backend")
        world.other.behaviours["sandbox"] = world.other.responds(lambda _: b"from the sandbox")
        await gateway_replica.until_ready()
        await wait_until(engine.ready, "the engine has started", timeout=STARTING)
        yield Gateway(engine, gateway_replica, world, places)


async def run_program(*command: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end: exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent([*command]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment() | dict(env or {}),
    )
    try:
        async with asyncio.timeout(STARTING):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, printed.decode(errors="replace")
