"""What is promised of crashes: nothing that was answered 202 is lost, and nothing ends twice."""

import random
import signal

import pytest

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import audit, query
from tests.acceptance.harness.load import load_routes, offer_load, serve_load
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.site import DYING
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

SEED = 20
BURIED = "SELECT worker_id FROM worker WHERE pid = $1 AND dead_at IS NOT NULL"
ALIVE = "SELECT worker_id FROM worker WHERE pid = $1 AND dead_at IS NULL"


async def test_a_replica_that_is_killed_again_and_again_loses_nothing(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    chance = random.Random(SEED)
    replica = make_replica(load_routes(places.services_url), over=DYING)
    with ending(replica):
        await replica.start()
        async with offer_load(world, [replica.ports.gateway_url], seed=SEED) as load:
            for _ in range(3):
                await load.until_accepted(chance.randint(20, 120))
                replica.kill()
                await replica.start()
            await load.until_accepted(20)
        findings = await audit(database, load)
    assert findings.jobs >= 80


async def test_two_replicas_that_are_killed_in_turn_lose_nothing(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    chance = random.Random(SEED + 1)
    replicas = [make_replica(load_routes(places.services_url), over=DYING) for _ in range(2)]
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    with ending(*replicas):
        for replica in replicas:
            await replica.start()
        async with offer_load(world, [replica.ports.gateway_url for replica in replicas], seed=SEED + 1) as load:
            for turn in range(3):
                await load.until_accepted(chance.randint(20, 120))
                victim = replicas[turn % 2]
                victim.kill()
                await load.until_accepted(chance.randint(1, 40))  # by the one that is left
                await victim.start()
            await load.until_accepted(20)
        await audit(database, load)


async def test_a_replica_frozen_past_its_death_comes_back_as_another_and_nothing_ends_twice(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    replicas = [make_replica(load_routes(places.services_url), over=DYING) for _ in range(2)]
    frozen, other = replicas
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    with ending(*replicas):
        for replica in replicas:
            await replica.start()
        async with offer_load(world, [replica.ports.gateway_url for replica in replicas], seed=SEED + 2) as load:
            await load.until_accepted(60)
            frozen.signal(signal.SIGSTOP)
            buried = await ask_until(lambda: query(database, BURIED, frozen.pid), "the frozen worker is buried")
            await load.until_accepted(20)
            await ask_until(lambda: query(database, ALIVE, other.pid), "the other one lives")
            frozen.signal(signal.SIGCONT)
            (again,) = await ask_until(lambda: query(database, ALIVE, frozen.pid), "it is a worker again")
            assert again not in buried
            await load.until_accepted(60)
        await audit(database, load)


@pytest.mark.parametrize("kind", ["calls_back", "responds"])
async def test_a_call_under_way_at_the_kill_is_made_again_with_the_same_idempotency_key(
    kind: str, places: Places, world: World, make_replica: MakeReplica
) -> None:
    routes = load_routes(places.services_url)
    serve_load(world)
    name = "billing" if kind == "calls_back" else "stock"
    well = world.services.behaviours[name]
    world.services.behaviours[name] = world.services.in_turn(world.services.hangs(), well)
    replica = make_replica(routes, over=DYING)
    with ending(replica):
        await replica.start()
        accepted = await world.submit(f"{replica.ports.gateway_url}/load/1/each", prefer="wait=0")
        assert accepted.status == 202
        await wait_until(lambda: world.services.called(name), "the first call")
        replica.kill()
        await replica.start()
        job = accepted.headers["x-job-id"]
        await world.message(job, "billing")
        await world.message(job, "stock")
    first, second = world.services.called(name)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == f'"{job}:{name}"'
    assert first.body == second.body
