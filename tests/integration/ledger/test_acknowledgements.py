"""Acknowledgements wait a moment for the outcome that makes them needless, and are never forgotten."""

import asyncio

import pytest

from sidecar.ledger import Ledger
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation, Release
from sidecar.model.job import ServiceView
from sidecar.model.outcome import Verdict
from sidecar.model.reasons import InvocationReason
from tests.acceptance.harness.waiting import ask_until
from tests.integration.ledger.kit import (
    SERVICE_KEY,
    Replica,
    connection,
    make_job,
    make_release,
    make_result,
    replica,
    stored,
)


class Losses:
    """Whoever hears of acknowledgements that were not stored."""

    def __init__(self) -> None:
        self.of: list[tuple[Release, LedgerError]] = []

    def __call__(self, release: Release, error: LedgerError) -> None:
        self.of.append((release, error))


def acknowledge(here: Replica, call: Invocation, lost: Losses | None = None) -> None:
    taken = make_release(call, acknowledged=True, retry_in=None, status=202)
    here.ledger.acknowledge(taken, lost=lost or Losses())


async def service_of(ledger: Ledger, call: Invocation) -> ServiceView:
    view = await ledger.job(call.job_id)
    assert view is not None
    return view.services[0]


def held(here: Replica, call: Invocation) -> bool:
    return here.ledger.registry.holds("invocation", call.job_id, call.call.service, call.claim)


async def test_a_result_that_comes_at_once_saves_the_acknowledgement_a_statement(database: str) -> None:
    async with replica(database) as here:
        await stored(here.ledger, make_job(here.ledger))
        (call,) = here.taker.calls
        acknowledge(here, call)
        assert held(here, call)
        assert (await here.ledger.record(make_result(call.job_id))).verdict is Verdict.WON
        assert not held(here, call)
        await here.ledger.release_all()
        assert here.ledger.stats.statements["release"] == 0
        service = await service_of(here.ledger, call)
        assert (service.status, service.attempts) == ("succeeded", 1)


async def test_an_acknowledgement_without_a_result_is_stored_by_itself(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        await stored(here.ledger, make_job(here.ledger, "billing"))
        await stored(here.ledger, make_job(here.ledger, "billing"))
        for call in here.taker.calls:
            acknowledge(here, call)

        async def both_stored() -> bool:
            return all([(await service_of(there.ledger, call)).status == "invoked" for call in here.taker.calls])

        await ask_until(both_stored, "two acknowledgements in the ledger")
        assert not any(held(here, call) for call in here.taker.calls)
        assert await here.ledger.release_all() == 0


async def test_whoever_reads_a_job_finds_the_acknowledgement_that_its_caller_was_told_of(database: str) -> None:
    async with replica(database) as here:
        await stored(here.ledger, make_job(here.ledger))
        (call,) = here.taker.calls
        acknowledge(here, call)
        assert (await service_of(here.ledger, call)).status == "invoked"


async def test_an_acknowledgement_that_is_being_stored_is_waited_for_by_whoever_reads_its_job(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await stored(here.ledger, make_job(here.ledger))
        (call,) = here.taker.calls
        async with direct.transaction():
            await direct.execute("SELECT FROM invocation WHERE job_id = $1 FOR UPDATE", call.job_id)
            acknowledge(here, call)
            here.ledger._acknowledgements.hurry()
            reading = asyncio.create_task(service_of(here.ledger, call))
        assert (await reading).status == "invoked"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_job_never_shows_the_status_of_an_earlier_call(database: str, elsewhere: bool) -> None:  # noqa: FBT001
    async with replica(database) as here, replica(database) as there:
        await stored(here.ledger, make_job(here.ledger))
        (first,) = here.taker.calls
        assert await here.ledger.release(make_release(first, status=503, reason=InvocationReason.BUSY))
        (second,) = await here.ledger.claim_invocations({SERVICE_KEY: 1})
        acknowledge(here, second)
        receiving = there if elsewhere else here
        assert (await receiving.ledger.record(make_result(second.job_id))).verdict is Verdict.WON
        service = await service_of(there.ledger, second)
        assert (service.status, service.status_code) == ("succeeded", None if elsewhere else 202)


async def test_an_orderly_end_stores_acknowledgements_before_it_gives_calls_back(database: str) -> None:
    async with replica(database) as leaving, replica(database) as here:
        await stored(leaving.ledger, make_job(leaving.ledger))
        (call,) = leaving.taker.calls
        acknowledge(leaving, call)
        assert await leaving.ledger.release_all() == 0
        assert (await service_of(here.ledger, call)).status == "invoked"
        assert await here.ledger.claim_invocations({SERVICE_KEY: 5}) == []


async def test_a_ledger_that_stops_stores_the_acknowledgements_that_wait(database: str) -> None:
    async with replica(database) as here:
        async with replica(database) as leaving:
            await stored(leaving.ledger, make_job(leaving.ledger))
            (call,) = leaving.taker.calls
            acknowledge(leaving, call)
        assert (await service_of(here.ledger, call)).status == "invoked"


async def test_an_acknowledgement_of_an_earlier_claim_does_not_hide_that_of_a_later_one(database: str) -> None:
    async with replica(database) as here:
        await stored(here.ledger, make_job(here.ledger))
        (stale,) = here.taker.calls
        assert await here.ledger.release(make_release(stale))
        (fresh,) = await here.ledger.claim_invocations({SERVICE_KEY: 1})
        acknowledge(here, stale)
        acknowledge(here, fresh)
        assert await here.ledger.release_all() == 0
        service = await service_of(here.ledger, fresh)
        assert (service.status, service.attempts) == ("invoked", 2)


async def test_an_acknowledgement_that_cannot_be_stored_is_told_and_held_no_longer(database: str) -> None:
    losses = Losses()
    async with replica(database) as here:
        await stored(here.ledger, make_job(here.ledger))
        (call,) = here.taker.calls
        await here.ledger.stop()
        acknowledge(here, call, losses)
        await here.ledger.stop()
        assert [release.job_id for release, _ in losses.of] == [call.job_id]
        assert not held(here, call)
