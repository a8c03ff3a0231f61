"""Kills while results lie in the object store and webhooks are being tried again: nothing lost, nothing ends twice."""

import random
from typing import Any

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import check_one_id_each, check_one_job_a_key, expected, ids, query
from tests.acceptance.harness.bodies import check_bodies
from tests.acceptance.harness.load import Load, load_routes, offer_load, serve_load
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.retrying import QUICK
from tests.acceptance.harness.site import DYING
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.webhooks import in_turn
from tests.acceptance.harness.world import Places, World

SEED = 30
UNFINISHED = (
    "SELECT (SELECT count(*) FROM invocation WHERE outcome IS NULL)"
    " + (SELECT count(*) FROM delivery WHERE state IN ('open', 'retrying'))"
    " + (SELECT count(*) FROM oas_webhook_retry WHERE state = 'pending') AS rows"
)
UNDELIVERED = "SELECT job_id, service, state, last_reason FROM delivery WHERE state <> 'delivered'"


async def test_large_results_and_retries_survive_the_kills_of_two_replicas(
    places: Places, world: World, database: str, make_replica: MakeReplica, offload: dict[str, Any]
) -> None:
    serve_load(world)
    world.webhooks.behaviours["/crm/1.0/results"] = in_turn(503, 204)  # each message needs its retry
    over = {**DYING, "offload": offload | {"threshold": "16KiB"}, "retry": QUICK}
    chance = random.Random(SEED)
    replicas = [make_replica(load_routes(places.services_url), over=over) for _ in range(2)]
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    with ending(*replicas):
        for replica in replicas:
            await replica.start()
        async with offer_load(world, [replica.ports.gateway_url for replica in replicas], seed=SEED) as load:
            for turn in range(3):
                await load.until_accepted(chance.randint(30, 90))
                replicas[turn % 2].kill()
                await load.until_accepted(chance.randint(5, 20))
                await replicas[turn % 2].start()
            await load.until_accepted(20)
        await audit_large(database, load)


async def audit_large(dsn: str, load: Load) -> None:
    """Check that every accepted job ended in one message for each service, and that links lead to the right bytes."""

    async def settled() -> bool:
        (row,) = await query(dsn, UNFINISHED)
        return bool(row["rows"] == 0)

    await ask_until(settled, "a ledger with nothing unfinished")
    assert await query(dsn, UNDELIVERED) == []
    check_one_id_each(load)
    check_one_job_a_key(load)
    large = 0
    for job, offer in load.accepted.items():
        messages = load.world.webhooks.by_job[job]
        assert expected(job, offer) <= ids(messages)
        last = {message.id: message for message in messages}
        for message in last.values():
            large += await check_bodies(load, message, offer)
    assert large > 0, "no result was large: the load did not test what it should"
