"""How the process starts, and how it ends."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import audit
from tests.acceptance.harness.load import load_routes, offer_load, serve_load
from tests.acceptance.harness.replica import Replica, ending, run_command
from tests.acceptance.harness.site import DYING, ON_LOOPBACK, Ports, make_settings, route, service
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.world import Places, World
from tests.conftest import execute, run

SOMEWHERE = [route("/somewhere", service("billing", "http://127.0.0.1:9"))]


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database that was never migrated."""
    name = f"empty_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name}"))
    try:
        yield postgres.dsn(name)
    finally:
        run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def test_sigterm_under_load_ends_in_order_and_loses_nothing(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    replica = make_replica(load_routes(places.services_url))
    with ending(replica):
        await replica.start()
        async with offer_load(world, [replica.ports.gateway_url], seed=40) as load:
            for _ in range(2):
                await load.until_accepted(80)
                assert await replica.stop() == 0
                await replica.start()
            await load.until_accepted(20)
        await audit(database, load)
        assert "task.failed" not in replica.log.read_text()


async def test_sigterm_gives_back_what_does_not_end_in_time(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    """A call that hangs longer than a stop may take is made again by the next process, without a burial."""
    well = world.services.responds(lambda _: b"done")
    world.services.behaviours["stock"] = world.services.in_turn(world.services.hangs(), well)
    replica = make_replica(
        [route("/stock", service("stock", places.services_url, completion="response", timeout="5m"))],
        over={"worker": {"dead_after": "10m", "drain_timeout": "500ms"}},
    )
    with ending(replica):
        await replica.start()
        accepted = await world.submit(f"{replica.ports.gateway_url}/stock")
        await wait_until(lambda: world.services.called("stock"), "the call that hangs")
        assert await replica.stop() == 0
        await replica.start()
        message = await world.message(accepted.headers["x-job-id"], "stock")
    assert (message.body, len(world.services.called("stock"))) == (b"done", 2)


async def test_a_schema_that_is_too_old_is_a_matter_for_people(empty_database: str, tmp_path: Path) -> None:
    replica = Replica(tmp_path, ports := Ports.free(), make_settings(empty_database, ports, SOMEWHERE))
    with ending(replica):
        replica.spawn()
        assert await replica.until_ended() == 78
        assert "run: sidecar migrate" in replica.log.read_text()
        code, printed = await run_command("migrate", "--config", str(replica.config))
        assert (code, "applied 0001" in printed) == (0, True)
        code, printed = await run_command("migrate", "--config", str(replica.config))
        assert (code, printed.strip()) == (0, "the schema is up to date")
        await replica.start()
        assert await replica.stop() == 0


async def test_settings_that_cannot_be_served_end_it_at_once_and_name_the_setting(
    database: str, tmp_path: Path
) -> None:
    wrong = make_settings(database, ports := Ports.free(), SOMEWHERE, over={"worker": {"dead_aftr": "2s"}})
    replica = Replica(tmp_path, ports, wrong)
    with ending(replica):
        replica.spawn()
        assert await replica.until_ended() == 78
        said = replica.log.read_text()
    assert "worker.dead_aftr" in said
    assert "dead_after" in said.replace("dead_aftr", "")
    assert "Traceback" not in said


async def test_a_port_that_is_taken_ends_it_and_names_the_listener(database: str, tmp_path: Path) -> None:
    ports = Ports.free()
    first = Replica(tmp_path, ports, make_settings(database, ports, SOMEWHERE), name="first")
    second = Replica(tmp_path, ports, make_settings(database, ports, SOMEWHERE), name="second")
    with ending(first, second):
        await first.start()
        second.spawn()
        assert await second.until_ended() == 78
        assert f"admin.listen: 127.0.0.1:{ports.admin} cannot be opened" in second.log.read_text()
        assert await first.readiness() == 200


async def test_it_waits_for_a_database_that_is_not_there_yet(
    postgres: EmbeddedPostgres, make_replica: MakeReplica
) -> None:
    replica = make_replica(SOMEWHERE)
    postgres.stop()
    try:
        with ending(replica):
            replica.spawn()
            await wait_until(lambda: "ledger.unavailable" in replica.log.read_text(), "it looks for the database")
            assert await replica.readiness() == 503
            postgres.start()
            await replica.until_ready()
            assert await replica.stop() == 0
    finally:
        postgres.start()


async def test_several_workers_share_the_ports_are_replaced_and_end_together(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    replica = make_replica(load_routes(places.services_url), workers=2, over=DYING)
    with ending(replica):
        await replica.start()
        parent = psutil.Process(replica.pid)
        await wait_until(lambda: replica.log.read_text().count("sidecar.started") == 2, "both workers serve")
        async with offer_load(world, [replica.ports.gateway_url], seed=41) as load:
            await load.until_accepted(60)
            victim, *_ = parent.children()
            victim.send_signal(signal.SIGKILL)
            await wait_until(lambda: replica.log.read_text().count("sidecar.started") == 3, "a new worker")
            await load.until_accepted(60)
        await audit(database, load)
        children = parent.children()
        assert len(children) == 2
        assert await replica.stop() == 0
        assert not psutil.wait_procs(children, timeout=60)[1]


async def test_sigterm_ends_it_also_while_the_database_is_away_and_the_work_is_found_again(
    postgres: EmbeddedPostgres, places: Places, world: World, make_replica: MakeReplica
) -> None:
    """Work under way, work that waits for its turn, and messages that wait for an answer: none can be given back."""
    well = world.services.responds(lambda _: b"done")
    world.services.behaviours["stock"] = world.services.hangs()
    world.other.behaviours["billing"] = well
    world.webhooks.hanging = {"/slow/"}
    stock = service("stock", places.services_url, completion="response", timeout="5m")
    billing = service("billing", places.other_url, completion="response")
    replica = make_replica(
        [route("/both", stock, billing)],
        over={**DYING, "services": {"concurrency": 1}, "webhook": {**ON_LOOPBACK, "concurrency": {"per_endpoint": 1}}},
    )
    with ending(replica):
        await replica.start()
        url, hook = f"{replica.ports.gateway_url}/both", f"{world.webhooks.url}/slow/1.0"
        jobs = [(await world.submit(url, hook=hook, prefer="wait=0")).headers["x-job-id"] for _ in range(3)]
        await wait_until(lambda: world.webhooks.held and world.services.called("stock"), "work under way")
        postgres.kill()
        try:
            code = await replica.stop()
        finally:
            postgres.start()
        assert code == 0
        world.services.behaviours["stock"] = well
        world.webhooks.hanging.clear()
        await replica.start()
        for job in jobs:
            await world.message(job, "stock")
            await world.message(job, "billing")


async def test_the_level_of_the_log_changes_by_signal_in_every_worker(make_replica: MakeReplica) -> None:
    replica = make_replica(SOMEWHERE, workers=2, over={"telemetry": {"log": {"level": "warning"}}})

    def both_changed_to(level: str) -> bool:
        return replica.log.read_text().count(f'"level_now":"{level}"') == 2

    with ending(replica):
        await replica.start()
        children = psutil.Process(replica.pid).children()
        await wait_until(
            lambda: all(_handles(child.pid, signal.SIGUSR1) for child in children), "both workers heed signals"
        )
        for number, level in ((signal.SIGUSR1, "debug"), (signal.SIGUSR2, "warning")):
            psutil.Process(replica.pid).send_signal(number)
            await wait_until(partial(both_changed_to, level), f"both workers write at {level}")
        assert await replica.stop() == 0


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (number - 1) & 1)
