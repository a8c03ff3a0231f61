"""What is promised of slow neighbours: they hold up nobody but themselves."""

import asyncio

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import ON_LOOPBACK, route, service
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.webhooks import in_turn
from tests.acceptance.harness.world import Places, World

MANY = 100
OPEN = "SELECT count(*) AS open FROM delivery WHERE state = 'open' AND endpoint LIKE '%/slow/1.0'"


async def submit_all(world: World, replica: Replica, path: str, *, count: int, hook: str | None = None) -> list[str]:
    """Offer requests together that need no acknowledgement; the ids of their jobs."""
    url = replica.ports.gateway_url + path
    answers = await asyncio.gather(*(world.submit(url, hook=hook, prefer="wait=0") for _ in range(count)))
    assert {answer.status for answer in answers} == {202}
    return [answer.headers["x-job-id"] for answer in answers]


async def test_a_webhook_that_never_answers_holds_up_no_other_on_its_host(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    world.services.behaviours["stock"] = world.services.responds(lambda call: call.body)
    world.webhooks.hanging = {"/slow/1.0/"}
    routes = [route("/stock", service("stock", places.services_url, completion="response"))]
    patient = {"webhook": {**ON_LOOPBACK, "timeouts": {"total": "5m"}}}
    replica = make_replica(routes, over=patient)
    with ending(replica):
        await replica.start()
        await submit_all(world, replica, "/stock", count=MANY, hook=f"{world.webhooks.url}/slow/1.0/hook")
        await wait_until(lambda: world.webhooks.held, "a message that is not answered")
        jobs = await submit_all(world, replica, "/stock", count=MANY, hook=f"{world.webhooks.url}/fast/1.0/hook")
        for job in jobs:
            await world.message(job, "stock")
        assert await query(database, OPEN) == [{"open": MANY}]
        assert len(world.webhooks.held) <= 10  # its own places, and none of the others'


async def test_backlogs_of_a_few_slow_webhooks_hold_up_no_retry_for_another(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    world.services.behaviours["stock"] = world.services.responds(lambda call: call.body)
    world.webhooks.hanging = {"/slow-"}
    world.webhooks.behaviours["/fast/1.0/hook"] = in_turn(503, 204)
    routes = [route("/stock", service("stock", places.services_url, completion="response"))]
    few = {"timeouts": {"total": "5m"}, "concurrency": {"per_endpoint": 2, "total": 20}}
    replica = make_replica(routes, over={"webhook": {**ON_LOOPBACK, **few}, "retry": {"base": "100ms"}})
    with ending(replica):
        await replica.start()
        for name in ("slow-1", "slow-2", "slow-3"):  # together they fill more than twice the places of all
            await submit_all(world, replica, "/stock", count=30, hook=f"{world.webhooks.url}/{name}/1.0/hook")
        await wait_until(lambda: len(world.webhooks.held) == 6, "slow webhooks that are all busy")
        (job,) = await submit_all(world, replica, "/stock", count=1, hook=f"{world.webhooks.url}/fast/1.0/hook")
        await wait_until(lambda: len(world.webhooks.by_job[job]) == 2, "a retry that was claimed")
        assert len(world.webhooks.held) == 6


async def test_a_service_that_hangs_holds_up_no_other_service(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    world.services.behaviours["billing"] = world.services.hangs()
    world.other.behaviours["stock"] = world.other.responds(lambda call: call.body)
    hanging = service("billing", places.services_url, ack_timeout="5m")
    healthy = service("stock", places.other_url, completion="response")
    replica = make_replica(
        [route("/both", hanging, healthy), route("/one", healthy)], over={"services": {"concurrency": 8}}
    )
    with ending(replica):
        await replica.start()
        both = await submit_all(world, replica, "/both", count=MANY)
        alone = await submit_all(world, replica, "/one", count=MANY)
        for job in [*alone, *both]:
            await world.message(job, "stock")
        assert len(world.services.called("billing")) == 8  # its own places, and none of the others'
