"""What is promised while Postgres is away: honest 503s, no lost job, and recovery without a restart."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import audit
from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.load import load_routes, offer_load, result_of, serve_load
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import DYING, route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

LOST_ANSWERS = 90.0  # seconds: rows whose commit was not confirmed are looked for after three statement time-outs


async def test_an_outage_of_the_database_is_told_and_survived(
    postgres: EmbeddedPostgres, places: Places, world: World, database: str, make_replica: MakeReplica
) -> None:
    serve_load(world)
    replica = make_replica(load_routes(places.services_url), over=DYING)
    with ending(replica), running(postgres):
        await replica.start()
        async with offer_load(world, [replica.ports.gateway_url], seed=30) as load:
            for stop in (postgres.stop, postgres.kill):
                await load.until_accepted(60)
                await asyncio.to_thread(stop)
                await told_by_both_listeners(world, replica)
                postgres.start()
                await load.until_accepted(60)
        assert load.answers[503] > 0
        await audit(database, load, timeout=LOST_ANSWERS)


async def test_a_callback_that_meets_an_outage_is_taken_when_it_is_repeated(
    postgres: EmbeddedPostgres, places: Places, world: World, make_replica: MakeReplica
) -> None:
    world.services.behaviours = {"billing": world.services.answers(202), "stock": world.services.answers(404)}
    replica = make_replica(load_routes(places.services_url), over=DYING)
    with ending(replica), running(postgres):
        await replica.start()
        accepted = await world.submit(f"{replica.ports.gateway_url}/load/1/each")
        (call,) = await wait_until(lambda: world.services.called("billing"), "the call")
        postgres.kill()
        await until_away(replica)
        refused = await world.client.send("POST", call.callback_url, body=b"the result")
        assert (refused.status, refused.problem["code"]) == (503, "database_unavailable")
        assert await replica.readiness() == 200
        postgres.start()
        assert await world.callbacks.post(call.callback_url, b"the result") == 202
        assert (await world.message(accepted.headers["x-job-id"], "billing")).body == b"the result"


async def test_a_result_that_meets_an_outage_is_kept_until_it_can_be_stored(
    postgres: EmbeddedPostgres, places: Places, world: World, make_replica: MakeReplica
) -> None:
    """Its service must not be called twice, and would not offer it again."""
    gate, services = asyncio.Event(), world.services
    services.behaviours["stock"] = services.waits_for(gate, services.responds(lambda _: b"precious"))
    stock = service("stock", places.services_url, completion="response", repeat="never")
    replica = make_replica([route("/stock", stock)], over=DYING)
    with ending(replica), running(postgres):
        await replica.start()
        accepted = await world.submit(f"{replica.ports.gateway_url}/stock")
        await wait_until(lambda: services.called("stock"), "the call")
        postgres.kill()
        await until_away(replica)
        gate.set()
        await wait_until(lambda: '"decision":"Answered"' in replica.log.read_text(), "the result, with nowhere to go")
        postgres.start()
        message = await world.message(accepted.headers["x-job-id"], "stock")
    assert (message.status, message.body) == ("succeeded", b"precious")
    assert len(services.called("stock")) == 1


async def until_away(replica: Replica) -> None:
    """Wait until the sidecar has lost its connections: what serves them outlives a killed Postgres by a moment."""
    await wait_until(lambda: '"error":"the database is away"' in replica.log.read_text(), "the outage to be noticed")


async def told_by_both_listeners(world: World, replica: Replica) -> None:
    """Nobody is kept waiting: gateway and callbacks say 503 and when to come back, and the probe stays green."""
    call = world.services.called("billing")[-1]

    async def gateway() -> Answer | None:
        return refusal(await world.submit(f"{replica.ports.gateway_url}/load/0/each"))

    async def callbacks() -> Answer | None:
        return refusal(await world.client.send("POST", call.callback_url, body=result_of("billing", call.body)))

    for question in (gateway, callbacks):
        answer = await ask_until(question, "503")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.problem["code"] == "database_unavailable"
    assert await replica.readiness() == 200


@contextmanager
def running(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Leave the server running for the other tests."""
    try:
        yield
    finally:
        postgres.start()


def refusal(answer: Answer) -> Answer | None:
    return answer if answer.status == 503 else None
