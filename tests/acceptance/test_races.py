"""Outcomes that come at the same moment: the first one stands, and everybody is told the same."""

import asyncio
import random

from aiohttp import web

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import until_settled
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import tick, wait_until
from tests.acceptance.harness.world import Places, World

MANY = 80
DEADLINE = 3  # seconds; that all are called before it is not what is tested here
TOLD = {202: "succeeded", 410: "failed"}  # what a service is told, and its caller then


async def test_a_callback_at_the_deadline_is_either_taken_or_too_late_and_all_are_told_the_same(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    # Some at once and some long after, so that both ends are seen however slow the machine is, and most at the edge.
    chance, told = random.Random(50), dict[str, int]()
    edge = [chance.uniform(0.8, 1.3) * DEADLINE for _ in range(MANY - 16)]
    delays = iter([0.0] * 8 + [2.0 * DEADLINE] * 8 + edge)

    async def calls_back_late(call: Call) -> web.StreamResponse:
        async def post(delay: float) -> None:
            await tick(delay)
            told[call.job_id] = await world.callbacks.post(call.callback_url, call.body)

        world.tasks.spawn(post(next(delays, 0.0)))
        return web.Response(status=202)

    world.services.behaviours["billing"] = calls_back_late
    billing, deadline = service("billing", places.services_url), f"{DEADLINE}s"
    replicas = [
        make_replica(
            [route("/each", billing, deadline=deadline), route("/all", billing, gather="all", deadline=deadline)]
        )
        for _ in range(2)
    ]
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    with ending(*replicas):
        for replica in replicas:
            await replica.start()
        urls = [replica.ports.gateway_url + path for replica in replicas for path in ("/each", "/all")]
        answers = await asyncio.gather(*(world.submit(urls[number % 4], b"result") for number in range(MANY)))
        jobs = [answer.headers["x-job-id"] for answer in answers]
        await until_settled(database)
        called = {call.job_id for call in world.services.called("billing")}
        await wait_until(lambda: called <= told.keys(), "an answer to every callback")
        for job in jobs:
            (message,) = [*{message.id: message for message in world.webhooks.by_job[job]}.values()]
            assert message.status == TOLD[told.get(job, 410)]
    assert set(told.values()) == {202, 410}
