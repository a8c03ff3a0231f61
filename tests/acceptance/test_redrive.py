"""What an operator does with messages that a webhook did not take, beside a running sidecar."""

import asyncio
import subprocess
import sys

import orjson
import pytest

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import Replica, environment
from tests.acceptance.harness.retrying import stock_route
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World

HOOK = "/crm/1.0/results"


@pytest.fixture
async def flow(world: World, places: Places, make_replica: MakeReplica) -> Flow:
    replica = make_replica(stock_route(places), over={"retry": {"base": "1h", "scan_interval": "20ms"}})
    world.services.behaviours["stock"] = world.services.responds(lambda call: call.body)
    await replica.start()
    return Flow(world, replica)


async def retries(replica: Replica, *words: str) -> list[str]:
    """Run ``sidecar retries``; the lines that it prints."""
    command = [sys.executable, "-m", "sidecar", "retries", *words, "--config", str(replica.config)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


async def refused(flow: Flow, *, status: int, count: int) -> list[str]:
    """Send requests whose results the webhook answers so; their jobs, once the ledger knows."""
    flow.world.webhooks.status[HOOK] = status
    jobs = [await flow.accepted("/stock") for _ in range(count)]
    state = "failed" if status == 410 else "retrying"
    for job in jobs:

        async def known(job: str = job) -> bool:
            return [one["state"] for one in (await flow.state(job))["deliveries"]] == [state]

        await ask_until(known, f"the message of {job} is {state}")
    flow.world.webhooks.status.clear()
    return jobs


async def attempts(flow: Flow, job: str, count: int) -> list[Message]:
    """Wait for so many messages of a job."""
    got = flow.world.webhooks.by_job
    return await wait_until(lambda: got[job] if len(got[job]) >= count else None, f"{count} attempts of {job}")


async def test_what_failed_is_sent_again_by_one_command_under_the_same_ids(flow: Flow) -> None:
    jobs = await refused(flow, status=410, count=3)
    lines = await retries(flow.replica, "redrive", "--reason", "gone", "--since", "1h", "--yes")
    assert lines[-1] == "3 messages redriven"
    for job in jobs:
        first, second = await attempts(flow, job, 2)
        assert (first.headers["x-attempt"], second.headers["x-attempt"]) == ("1", "2")
        assert (first.id, second.id) == (f"{job}:stock:succeeded",) * 2

        async def delivered(job: str = job) -> bool:
            (line,) = await retries(flow.replica, "show", job, "--json")
            return bool(orjson.loads(line)["state"] == "delivered")

        await ask_until(delivered, f"{job} is delivered")


async def test_what_waits_comes_at_once_when_redriven_and_never_when_cancelled(flow: Flow) -> None:
    wanted, unwanted = await refused(flow, status=503, count=2)
    assert await retries(flow.replica, "cancel", unwanted) == ["1 message cancelled"]
    assert await retries(flow.replica, "redrive", wanted, "--new-id") == ["1 message redriven"]
    first, second = await attempts(flow, wanted, 2)
    assert second.id == f"{first.id}:r1"
    assert len(flow.world.webhooks.by_job[unwanted]) == 1
    assert [one["state"] for one in (await flow.state(unwanted))["deliveries"]] == ["cancelled"]
