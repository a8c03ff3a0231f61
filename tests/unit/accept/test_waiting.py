import asyncio

import pytest

from sidecar.accept.waiting import WaitingCallers
from tests.unit.builders import JOB, make_refusal

FOREVER = 3600.0


async def begun(callers: WaitingCallers, seconds: float = FOREVER) -> "asyncio.Task[None]":
    task = asyncio.create_task(callers.until_heard(JOB, seconds))
    await asyncio.sleep(0)
    return task


async def test_a_caller_waits_until_every_service_has_answered() -> None:
    callers = WaitingCallers()
    wait = callers.begin(JOB, ["billing", "stock"])
    waiting = await begun(callers)
    callers.took(JOB, "billing", 202)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert callers.refused(make_refusal("stock"))
    async with asyncio.timeout(60):
        await waiting
    assert callers.end(JOB) is wait
    assert (wait.took, list(wait.refusals)) == ({"billing": 202}, ["stock"])


async def test_what_was_heard_before_the_wait_counts() -> None:
    callers = WaitingCallers()
    callers.begin(JOB, ["billing"])
    callers.took(JOB, "billing", 200)
    async with asyncio.timeout(60):
        await callers.until_heard(JOB, FOREVER)


@pytest.mark.parametrize(("services", "seconds"), [([], FOREVER), (["billing"], 0.0), (["billing"], 0.01)])
async def test_the_wait_ends_when_nobody_is_left_or_its_time_is_over(services: list[str], seconds: float) -> None:
    callers = WaitingCallers()
    wait = callers.begin(JOB, services)
    async with asyncio.timeout(60):
        await callers.until_heard(JOB, seconds)
    assert callers.end(JOB) is wait


def test_a_refusal_is_the_callers_only_while_it_waits_for_that_service() -> None:
    callers = WaitingCallers()
    assert not callers.refused(make_refusal())
    wait = callers.begin(JOB, ["billing"])
    assert not callers.refused(make_refusal("stock"))  # a service that nobody waits for
    assert callers.refused(make_refusal())
    assert not callers.refused(make_refusal())  # it has answered
    callers.end(JOB)
    assert not callers.refused(make_refusal())
    assert list(wait.refusals) == ["billing"]


def test_an_answer_that_nobody_waits_for_is_let_pass() -> None:
    callers = WaitingCallers()
    callers.took(JOB, "billing", 202)
    wait = callers.begin(JOB, [])
    callers.took(JOB, "sync", 200)
    assert wait.took == {"sync": 200}


async def test_a_caller_that_leaves_leaves_no_timer_that_could_hurt() -> None:
    callers = WaitingCallers()
    callers.begin(JOB, ["billing"])
    waiting = await begun(callers)
    waiting.cancel()
    await asyncio.wait({waiting})
    callers.took(JOB, "billing", 202)
    assert callers.end(JOB).took == {"billing": 202}
