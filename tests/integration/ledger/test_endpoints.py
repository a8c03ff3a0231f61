"""Circuits and pauses: one small row each, shared by all replicas, by the database's clock."""

import asyncio

from tests.integration.ledger.kit import ENDPOINT, connection, make_job, make_result, replica, stored
from tests.integration.ledger.retrying import BUDGET, HOUR, age, claimed, make_retry_end, retrying, row_of


async def test_a_circuit_opens_once_and_all_replicas_see_it(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        assert await here.ledger.endpoints.away() == []
        opened = await asyncio.gather(
            *(one.ledger.endpoints.open(ENDPOINT, seconds=60.0, reason="connect") for one in (here, there) * 4)
        )
        assert [number for number in opened if number is not None] == [1]
        (state,) = await there.ledger.endpoints.away()
        assert (state.endpoint, state.state, state.reason, state.openings) == (ENDPOINT, "open", "connect", 1)
        assert 0 < state.remaining <= 60
        assert not state.probing


async def test_of_eight_who_would_probe_one_may(database: str) -> None:
    async with replica(database, pool=8) as here:
        endpoints = here.ledger.endpoints
        assert not await endpoints.probe(ENDPOINT, seconds=30.0)  # nothing to probe
        await endpoints.open(ENDPOINT, seconds=0.0, reason="connect")
        leases = await asyncio.gather(*(endpoints.probe(ENDPOINT, seconds=30.0) for _ in range(8)))
        assert sorted(leases) == [False] * 7 + [True]
        assert (await endpoints.away())[0].probing


async def test_a_probe_waits_for_its_time_and_a_lost_one_may_be_repeated(database: str) -> None:
    async with replica(database) as here:
        endpoints = here.ledger.endpoints
        await endpoints.open(ENDPOINT, seconds=60.0, reason="connect")
        assert not await endpoints.probe(ENDPOINT, seconds=30.0)
        async with connection(database) as direct:
            await direct.execute("UPDATE endpoint SET open_until = now() - interval '1 second'")
        assert await endpoints.probe(ENDPOINT, seconds=0.0)
        async with connection(database) as direct:
            await direct.execute("UPDATE endpoint SET probe_until = now() - interval '1 second'")
        assert await endpoints.probe(ENDPOINT, seconds=30.0)


async def test_a_failed_probe_keeps_the_circuit_open_and_a_good_one_closes_it(database: str) -> None:
    async with replica(database) as here:
        endpoints = here.ledger.endpoints
        await endpoints.open(ENDPOINT, seconds=0.0, reason="connect")
        assert await endpoints.probe(ENDPOINT, seconds=30.0)
        assert await endpoints.open(ENDPOINT, seconds=0.0, reason="timeout") == 2
        (state,) = await endpoints.away()
        assert (state.openings, state.reason, state.probing) == (2, "timeout", False)
        assert state.confirmed_at > state.opened_at
        assert await endpoints.close(ENDPOINT)
        assert not await endpoints.close(ENDPOINT)
        assert await endpoints.away() == []
        assert await endpoints.open(ENDPOINT, seconds=0.0, reason="connect") == 1


async def test_a_pause_lasts_as_long_as_it_was_asked_for_and_gives_way_to_an_open_circuit(database: str) -> None:
    async with replica(database) as here:
        endpoints = here.ledger.endpoints
        assert await endpoints.pause(ENDPOINT, seconds=60.0, reason="retry_after_429")
        assert not await endpoints.pause(ENDPOINT, seconds=5.0, reason="retry_after_429")
        assert await endpoints.pause(ENDPOINT, seconds=120.0, reason="retry_after_503")
        (state,) = await endpoints.away()
        assert (state.state, state.reason) == ("paused", "retry_after_503")
        assert 60 < state.remaining <= 120
        assert not await endpoints.probe(ENDPOINT, seconds=5.0)
        assert await endpoints.open(ENDPOINT, seconds=60.0, reason="connect") == 1
        assert not await endpoints.pause(ENDPOINT, seconds=600.0, reason="retry_after_429")
        assert await endpoints.close(ENDPOINT)
        assert await endpoints.pause(ENDPOINT, seconds=0.0, reason="retry_after_429")
        assert await endpoints.away() == []  # over


async def test_a_waiting_retry_says_why_it_waits(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        assert (await row_of(database, job.job_id))["waits_for"] == "turn"
        await here.ledger.endpoints.pause(ENDPOINT, seconds=60.0, reason="retry_after_429")
        assert (await row_of(database, job.job_id))["waits_for"] == "endpoint_paused"
        await here.ledger.endpoints.open(ENDPOINT, seconds=60.0, reason="connect")
        assert (await row_of(database, job.job_id))["waits_for"] == "circuit_open"


async def test_an_open_circuit_writes_nothing_to_the_rows_that_wait_for_it(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        before = await row_of(database, job.job_id)
        await here.ledger.endpoints.open(ENDPOINT, seconds=60.0, reason="connect")
        await here.ledger.endpoints.close(ENDPOINT)
        after = await row_of(database, job.job_id)
        assert {name: before[name] for name in before if name != "due_in"} == {
            name: after[name] for name in after if name != "due_in"
        }


async def test_what_is_past_its_budget_fails_only_after_an_attempt_at_its_endpoint_failed_later(database: str) -> None:
    async with replica(database) as here:
        young, old = (await retrying(here)).job_id, (await retrying(here)).job_id
        await age(database, old, BUDGET + 1)
        here.taker.full = [ENDPOINT]
        never = await stored(here.ledger, make_job(here.ledger))
        await here.ledger.record(make_result(never.job_id))
        async with connection(database) as direct:
            await direct.execute(
                "UPDATE delivery SET due_at = due_at - interval '2 days' WHERE job_id = $1", never.job_id
            )
        unreachable = here.ledger.retries.unreachable
        assert await unreachable([ENDPOINT], budget=BUDGET) == 0  # the circuit is not open
        await here.ledger.endpoints.pause(ENDPOINT, seconds=60.0, reason="retry_after_429")
        assert await unreachable([ENDPOINT], budget=BUDGET) == 0  # a pause is no failure
        await here.ledger.endpoints.open(ENDPOINT, seconds=0.0, reason="connect")
        assert await unreachable([], budget=BUDGET) == 0
        assert await unreachable([ENDPOINT], budget=10 * BUDGET) == 0
        assert await unreachable([ENDPOINT], budget=BUDGET) == 2
        assert await unreachable([ENDPOINT], budget=BUDGET) == 0
        row = await row_of(database, old)
        assert (row["state"], row["reason"], row["delivery"]) == ("failed", "endpoint_unreachable", "failed")
        assert (await row_of(database, young))["state"] == "pending"
        view = await here.ledger.job(never.job_id)
        assert view is not None
        (message,) = view.deliveries
        assert (message.state, message.reason, message.attempts) == ("failed", "endpoint_unreachable", 0)


async def test_a_circuit_that_was_opened_before_a_budget_was_over_ends_nothing(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await here.ledger.endpoints.open(ENDPOINT, seconds=0.0, reason="connect")
        await age(database, job.job_id, HOUR)
        async with connection(database) as direct:  # as after a long downtime of ours
            await direct.execute("UPDATE endpoint SET confirmed_at = now() - interval '1 hour'")
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=60.0) == 0
        await here.ledger.endpoints.open(ENDPOINT, seconds=0.0, reason="connect")  # a probe found nobody again
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=60.0) == 1


async def test_a_retry_under_way_is_not_ended_as_unreachable(database: str) -> None:
    async with replica(database) as here:
        job = await retrying(here)
        await age(database, job.job_id, BUDGET + 1)
        (retry,) = await claimed(here)
        await here.ledger.endpoints.open(ENDPOINT, seconds=0.0, reason="connect")
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=BUDGET) == 0
        assert await here.ledger.finish_retry(make_retry_end(retry, delay=1.0)) == "failed"
        assert (await row_of(database, job.job_id))["reason"] == "retries_exhausted"


async def test_endpoints_of_which_nothing_was_heard_for_long_are_forgotten(database: str) -> None:
    async with replica(database) as here:
        for name in ("closed", "open", "young"):
            await here.ledger.endpoints.open(name, seconds=0.0, reason="connect")
        await here.ledger.endpoints.close("closed")
        async with connection(database) as direct:
            await direct.execute(
                "UPDATE endpoint SET open_until = now() - interval '8 days',"
                " closed_at = CASE state WHEN 'closed' THEN now() - interval '8 days' END WHERE endpoint <> 'young'"
            )
        assert (await here.ledger.prune(86_400.0)).endpoints == 2
        assert [state.endpoint for state in await here.ledger.endpoints.away()] == ["young"]


async def test_an_endpoint_that_is_away_and_for_which_nothing_waits_is_forgotten(database: str) -> None:
    async with replica(database) as here:
        await retrying(here)
        for name in (ENDPOINT, "nobody's", "just now"):
            await here.ledger.endpoints.open(name, seconds=0.0, reason="connect")
        async with connection(database) as direct:
            await direct.execute(
                "UPDATE endpoint SET open_until = now() - interval '2 hours' WHERE endpoint <> 'just now'"
            )
        assert (await here.ledger.prune(86_400.0)).endpoints == 1
        assert {state.endpoint for state in await here.ledger.endpoints.away()} == {ENDPOINT, "just now"}
