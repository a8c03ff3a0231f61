"""Endpoints that an operator holds: nothing is sent, nothing expires, and all replicas know."""

from typing import Any

import pytest

from sidecar.deliver.health import EndpointHealth
from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.operator import OperatorLedger, operator_ledger
from sidecar.model.audit import AuditFilter
from sidecar.model.retry import RedriveFilter, RetryState
from tests.integration.ledger.kit import ENDPOINT, Replica, connection, replica
from tests.integration.ledger.retrying import BUDGET, BY, age, claimed, make_retry_end, retrying, row_of


def health(here: Replica) -> EndpointHealth:
    return EndpointHealth(here.ledger.endpoints, full_speed=8, probe_lease=5.0)


async def held_row(database: str) -> dict[str, Any]:
    async with connection(database) as direct:
        row = await direct.fetchrow("SELECT * FROM endpoint WHERE endpoint = $1", ENDPOINT)
    return dict(row) if row is not None else {}


def operator(database: str) -> Any:
    return operator_ledger(LedgerConfig(dsn=database, pool=1))


async def test_a_hold_is_known_to_every_replica_at_its_next_look_and_ends_when_resumed(database: str) -> None:
    async with replica(database) as here, replica(database) as there, operator(database) as ledger:
        await ledger.holds.hold(ENDPOINT, seconds=None, reason="their upgrade", by=BY)
        for one in (health(here), health(there)):
            assert await one.refresh() == {ENDPOINT}
            assert await one.places(ENDPOINT, 5) == 0
            assert one.circuits.speed(ENDPOINT) == 0
            await one.answered(ENDPOINT, 200, wait=0.0)  # to an attempt that was under way
            assert await one.refresh() == {ENDPOINT}
        (state,) = await here.ledger.endpoints.away()
        assert (state.state, state.reason, state.held_by) == ("held", "their upgrade", "oncall")
        assert await ledger.holds.resume(ENDPOINT, by=BY)
        assert not await ledger.holds.resume(ENDPOINT, by=BY)
        assert await health(here).refresh() == frozenset()


async def test_a_hold_may_end_by_itself(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        await ledger.holds.hold(ENDPOINT, seconds=3600, reason="an hour", by=BY)
        (state,) = await here.ledger.endpoints.away()
        assert 3500 < state.remaining <= 3600
        await ledger.holds.hold(ENDPOINT, seconds=0, reason="no longer", by=BY)
        assert await here.ledger.endpoints.away() == []


async def test_a_circuit_that_opens_or_closes_does_not_end_a_hold(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        await here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect")
        await ledger.holds.hold(ENDPOINT, seconds=None, reason="wait", by=BY)
        await here.ledger.endpoints.close(ENDPOINT)
        assert [state.state for state in await here.ledger.endpoints.away()] == ["held"]
        await here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect")
        assert [state.state for state in await here.ledger.endpoints.away()] == ["held"]
        await ledger.holds.resume(ENDPOINT, by=BY)
        (state,) = await here.ledger.endpoints.away()
        assert state.state == "open"
        assert state.remaining <= 0  # a probe may be sent at once


async def test_a_resume_also_ends_a_pause_that_the_endpoint_asked_for(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        await here.ledger.endpoints.pause(ENDPOINT, seconds=600, reason="retry_after_503")
        assert await ledger.holds.resume(ENDPOINT, by=BY)
        assert await here.ledger.endpoints.away() == []


async def test_what_waited_while_an_endpoint_was_held_is_not_unreachable(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        job = await retrying(here)
        await age(database, job.job_id, 2 * BUDGET)
        await here.ledger.endpoints.open(ENDPOINT, seconds=0, reason="connect")
        await ledger.holds.hold(ENDPOINT, seconds=None, reason="wait", by=BY)
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=BUDGET) == 0
        await ledger.holds.resume(ENDPOINT, by=BY)
        await here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect")  # the first probe failed
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=BUDGET) == 0
        async with connection(database) as direct:  # a whole budget later they are
            await direct.execute("UPDATE endpoint SET held_until = held_until - make_interval(secs => $1)", BUDGET + 1)
        assert await here.ledger.retries.unreachable([ENDPOINT], budget=BUDGET) == 1
        assert (await row_of(database, job.job_id))["reason"] == "endpoint_unreachable"


@pytest.mark.parametrize(("held", "state"), [(True, RetryState.PENDING), (False, RetryState.FAILED)])
async def test_a_failed_attempt_after_a_hold_begins_the_budget_anew(database: str, held: bool, state: str) -> None:  # noqa: FBT001
    async with replica(database) as here, operator(database) as ledger:
        job = await retrying(here)
        await age(database, job.job_id, 2 * BUDGET)
        (retry,) = await claimed(here)
        if held:
            await ledger.holds.hold(ENDPOINT, seconds=None, reason="wait", by=BY)
            await ledger.holds.resume(ENDPOINT, by=BY)
        assert await here.ledger.finish_retry(make_retry_end(retry, delay=60.0)) == state


async def test_a_held_endpoint_is_why_a_retry_waits_and_is_not_forgotten(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        job = await retrying(here)
        await ledger.holds.hold(ENDPOINT, seconds=None, reason="wait", by=BY)
        assert (await row_of(database, job.job_id))["waits_for"] == "endpoint_held"
        async with connection(database) as direct:
            await direct.execute("UPDATE endpoint SET closed_at = now() - interval '30 days'")
        assert (await here.ledger.prune(86_400.0)).endpoints == 0
        assert (await held_row(database))["held_by"] == "oncall"


async def audit_of(ledger: OperatorLedger, **which: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.action, one.target, dict(one.detail)) for one in await ledger.audit.records(AuditFilter(**which))]


async def test_every_change_writes_who_and_why_with_it(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        before = await ledger.now()
        await ledger.holds.hold(ENDPOINT, seconds=60, reason="their upgrade", by=BY)
        await ledger.holds.resume(ENDPOINT, by=BY)
        await ledger.holds.resume(ENDPOINT, by=BY)  # nothing changed
        job = await retrying(here)
        one = RedriveFilter(job_id=job.job_id, service="billing")
        assert await ledger.redrive.redrive(one, by=BY, retention=9 * 86_400, new_id=True) == 1
        assert await ledger.redrive.cancel(RedriveFilter(endpoint=ENDPOINT), by=BY) == 1
        assert await ledger.redrive.cancel(RedriveFilter(endpoint=ENDPOINT), by=BY) == 0
        jobs = {"count": 1, "jobs": [str(job.job_id)]}
        assert await audit_of(ledger) == [
            ("cancel", "filter", {"endpoint": ENDPOINT, **jobs}),
            ("redrive", f"{job.job_id}/billing", {"new_id": True, **jobs}),
            ("resume", ENDPOINT, {"circuit": "closed"}),
            ("pause", ENDPOINT, {"reason": "their upgrade", "seconds": 60}),
        ]
        assert [action for action, *_ in await audit_of(ledger, target=str(job.job_id))] == ["cancel", "redrive"]
        assert len(await audit_of(ledger, actor="oncall", action="pause", since=before)) == 1
        assert await audit_of(ledger, until=before) == []


async def test_the_audit_is_kept_as_long_as_it_says(database: str) -> None:
    async with replica(database) as here, operator(database) as ledger:
        await ledger.holds.hold(ENDPOINT, seconds=60, reason="old", by=BY)
        async with connection(database) as direct:
            await direct.execute("UPDATE audit SET at = now() - interval '10 days'")
        assert (await here.ledger.prune(86_400.0, audit=11 * 86_400.0)).audit == 0
        assert (await here.ledger.prune(86_400.0, audit=9 * 86_400.0)).audit == 1
