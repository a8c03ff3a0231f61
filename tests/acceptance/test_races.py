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
TOLD = {202: "succeeded", 410: "failed"}  # what a service is told, and its caller then


async def test_a_callback_at_the_deadline_is_either_taken_or_too_late_and_all_are_told_the_same(
    places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    chance, told = random.Random(50), dict[str, int]()

    async def calls_back_late(call: Call) -> web.StreamResponse:
        async def post() -> None:
            await tick(chance.uniform(0.0, 2.2))  # some in time and some too late, however slow the machine is
            told[call.job_id] = await world.callbacks.post(call.callback_url, call.body)

        world.tasks.spawn(post())
        return web.Response(status=202)

    world.services.behaviours["billing"] = calls_back_late
    billing = service("billing", places.services_url)
    replicas = [
        make_replica([route("/each", billing, deadline="1s"), route("/all", billing, gather="all", deadline="1s")])
        for _ in range(2)
    ]
    world.callbacks.origins = [replica.ports.callbacks_url for replica in replicas]
    with ending(*replicas):
        for replica in replicas:
            await replica.start()
        urls = [replica.ports.gateway_url + path for replica in replicas for path in ("/each", "/all")]
        answers = await asyncio.gather(*(world.submit(urls[number % 4], b"result") for number in range(MANY)))
        jobs = [answer.headers["x-job-id"] for answer in answers]
        await wait_until(lambda: len(told) == MANY, "an answer to every callback")
        await until_settled(database)
        for job in jobs:
            (message,) = [*{message.id: message for message in world.webhooks.by_job[job]}.values()]
            assert message.status == TOLD[told[job]]
    assert set(told.values()) == {202, 410}
