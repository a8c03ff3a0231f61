"""What one application may do, over all replicas, and what it is told when it may not."""

import asyncio
from typing import Any

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER, route, service
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.world import World

IDENTITY = {"type": "shared_secret", "header": KEY_HEADER, "secret": GATEWAY_KEY}


def limited(make_replica: MakeReplica, world: World, **most: Any) -> Replica:
    gateway = {"identity": IDENTITY, "per_application": most, "wait": "0s"}
    return make_replica([route("/one", service("billing", world.services.url))], over={"gateway": gateway})


def told(answer: Answer) -> str:
    assert (answer.status, answer.problem["code"]) == (429, "application_limit_exceeded"), answer
    assert int(answer.headers["retry-after"]) >= 1
    return str(answer.problem["limit"])


async def test_unfinished_jobs_are_counted_over_all_replicas_until_they_end(
    make_replica: MakeReplica, world: World
) -> None:
    world.services.behaviours["billing"] = world.services.answers(202)
    one, two = (limited(make_replica, world, running_jobs=2) for _ in range(2))
    with ending(one, two):
        await one.start()
        await two.start()
        at_one, at_two = (f"{replica.ports.gateway_url}/one" for replica in (one, two))
        first = await world.submit(at_one, idempotency_key="k-1")
        second = await world.submit(at_one)
        assert (first.status, second.status) == (202, 202)
        assert told(await world.submit(at_one)) == "running_jobs"  # at once where they were taken
        asked = 0

        async def refused() -> Answer | None:  # elsewhere within the time between two counts
            nonlocal asked
            asked += 1
            answer = await world.submit(at_two, app="shop", idempotency_key=f"two-{asked}", x_probe=str(asked))
            return answer if answer.status == 429 else None

        assert told(await ask_until(refused, "the other replica knows")) == "running_jobs"
        assert (await world.submit(at_one, app="rival")).status == 202
        replay = await world.submit(at_one, idempotency_key="k-1")
        assert (replay.status, replay.headers["x-job-id"]) == (202, first.headers["x-job-id"])
        assert replay.headers["idempotency-replayed"] == "true"
        other = await world.submit(at_one, b'{"other": 1}', idempotency_key="k-1")
        assert other.status == 422
        assert told(await world.submit(at_one, idempotency_key="k-2")) == "running_jobs"
        assert 'sidecar_limited_total{limit="running_jobs"}' in (await metrics(world, one))
        called = list(world.services.called("billing"))
        world.services.behaviours["billing"] = world.services.calls_back(lambda _: b"done")  # those still to be called
        for call in called:
            await world.callbacks.post(call.callback_url, b"done")

        async def taken() -> Answer | None:
            answer = await world.submit(at_one)
            return answer if answer.status == 202 else None

        await ask_until(taken, "there is room again once their messages were delivered")


async def metrics(world: World, replica: Replica) -> str:
    return (await world.client.send("GET", f"{replica.ports.admin_url}/metrics")).body.decode()


async def test_bytes_and_rate_are_limited(make_replica: MakeReplica, world: World) -> None:
    world.services.behaviours["billing"] = world.services.answers(202)
    replica = limited(make_replica, world, stored="10KiB", requests_per_second=5)
    with ending(replica):
        await replica.start()
        url = f"{replica.ports.gateway_url}/one"
        assert (await world.submit(url, b"a" * 6_000, app="large")).status == 202
        assert told(await world.submit(url, b"a" * 6_000, app="large")) == "stored"
        assert (await world.submit(url, b"a" * 1_000, app="large")).status == 202
        answers = await asyncio.gather(*(world.submit(url) for _ in range(50)))
        assert {answer.status for answer in answers} == {202, 429}
        assert {told(answer) for answer in answers if answer.status == 429} == {"requests_per_second"}
        assert (await world.submit(url, app="rival")).status == 202
