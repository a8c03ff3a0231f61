"""Faults that meet: replicas and the database are killed, stopped and frozen in a seeded order, under load."""

import asyncio
import random
import signal

from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import audit
from tests.acceptance.harness.load import load_routes, offer_load, serve_load
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import DYING
from tests.acceptance.harness.waiting import tick
from tests.acceptance.harness.world import Places, World

SEED = 60
FAULTS = ("kill", "freeze", "lose the database", "kill without a database", "stop")
LOST_ANSWERS = 90.0  # seconds: rows whose commit was not confirmed are looked for after three statement time-outs


async def test_faults_that_meet_lose_nothing_and_end_nothing_twice(
    postgres: EmbeddedPostgres, places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    chance = random.Random(SEED)
    replicas = [make_replica(load_routes(places.services_url), over=DYING) for _ in range(2)]
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    try:
        with ending(*replicas):
            for replica in replicas:
                await replica.start()
            async with offer_load(world, [replica.ports.gateway_url for replica in replicas], seed=SEED) as load:
                for fault in chance.sample(FAULTS, len(FAULTS)):
                    await load.until_accepted(chance.randint(5, 80))
                    await commit(fault, chance.choice(replicas), postgres, chance)
                await load.until_accepted(30)
            await audit(database, load, timeout=LOST_ANSWERS)
    finally:
        postgres.start()


async def commit(fault: str, replica: Replica, postgres: EmbeddedPostgres, chance: random.Random) -> None:
    """Commit one fault, let the world go on with it for a while, and mend it."""
    while_broken = chance.uniform(0.1, 2.0)
    match fault:
        case "kill":
            replica.kill()
            await tick(while_broken)
            await replica.start()
        case "freeze":  # sometimes for longer than it takes to be buried
            replica.signal(signal.SIGSTOP)
            await tick(2 * while_broken)
            replica.signal(signal.SIGCONT)
        case "lose the database":
            await asyncio.to_thread(postgres.kill)
            await tick(while_broken)
            postgres.start()
        case "kill without a database":
            await asyncio.to_thread(postgres.stop)
            replica.kill()
            await tick(while_broken)
            postgres.start()
            await replica.start()
        case _:
            assert await replica.stop() == 0
            await replica.start()
