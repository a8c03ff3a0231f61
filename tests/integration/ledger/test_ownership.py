"""Work of the dead, of the lost and of the buried: found again, and never done under a wrong name."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sidecar.ledger import Held, Ledger
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.job import KeyTaken
from sidecar.model.outcome import OutcomeKind, ResultStatus, Verdict
from sidecar.model.reasons import InvocationReason
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    Replica,
    connection,
    make_end,
    make_job,
    make_key,
    make_release,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.proxy import lossy_way


async def until(happened: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await happened():
            pass


async def die(ledger: Ledger) -> None:
    """Be buried, as if the process had been killed a while ago."""
    await ledger._life.leave()


def lost_rows(ledger: Ledger, rows: list[Held]) -> list[Held]:
    return [row for row in rows if not ledger.registry.holds(row.table, row.job_id, row.service, row.claim)]


async def test_the_work_of_the_dead_is_taken_over(database: str) -> None:
    async with replica(database) as dead, replica(database) as here:
        job = await stored(dead.ledger, make_job(dead.ledger, "billing", "risk"))
        await dead.ledger.record(make_result(job.job_id, "risk"))
        assert await here.ledger.take_over() == 0
        await die(dead.ledger)
        assert await here.ledger.take_over() == 2
        (call,) = await here.ledger.claim_invocations({SERVICE_KEY: 5})
        assert (call.call.service, call.claim, call.unsure) == ("billing", 2, True)
        (message,) = await here.ledger.claim_deliveries({ENDPOINT: 5})
        assert (message.service, message.claim, message.body) == ("risk", 2, b"done")
        assert not await dead.ledger.finish(make_end(dead.taker.messages[0]))
        assert not await dead.ledger.release(make_release(dead.taker.calls[0]))
        assert await here.ledger.finish(make_end(message))


async def test_what_a_dead_worker_inserts_after_the_sweep_is_found_by_the_next(database: str) -> None:
    async with replica(database) as dead, replica(database) as here:
        await die(dead.ledger)
        assert await here.ledger.take_over() == 0
        job = await stored(dead.ledger, make_job(dead.ledger))
        assert await here.ledger.take_over() == 1
        (call,) = await here.ledger.claim_invocations({SERVICE_KEY: 5})
        assert call.job_id == job.job_id


async def test_the_buried_claim_nothing_while_they_do_not_know_it(database: str) -> None:
    async with replica(database) as dead, replica(database) as here:
        here.taker.full = [ENDPOINT]
        job = await stored(here.ledger, make_job(here.ledger, "billing", "risk", owned=False))
        await here.ledger.record(make_result(job.job_id, "risk"))
        await die(dead.ledger)
        assert await dead.ledger.claim_invocations({SERVICE_KEY: 5}) == []
        assert await dead.ledger.claim_deliveries({ENDPOINT: 5}) == []
        assert len(await here.ledger.claim_invocations({SERVICE_KEY: 5})) == 1
        assert len(await here.ledger.claim_deliveries({ENDPOINT: 5})) == 1


async def test_a_buried_worker_forgets_its_work_and_goes_on_under_a_new_id(database: str) -> None:
    died: list[int] = []
    async with replica(database, on_death=lambda: died.append(1)) as here:
        ledger = here.ledger
        old = ledger.worker
        await stored(ledger, make_job(ledger))
        assert await ledger.beat()
        assert ledger.may_act(old)
        await die(ledger)
        assert not ledger.fence_open()
        assert not await ledger.beat()
        assert died == [1]
        assert ledger.worker > old
        assert len(ledger.registry) == 0
        assert ledger.fence_open()
        assert not ledger.may_act(old)
        assert ledger.may_act(ledger.worker)
        assert await ledger.take_over() == 1


async def test_a_worker_that_stops_beating_is_buried_and_one_that_beats_is_not(database: str) -> None:
    quick = 3.0  # a slow machine may take a second between two lines
    async with (
        replica(database, dead_after=quick) as silent,
        replica(database, dead_after=quick) as here,
        replica(database) as alive,
    ):

        async def buried() -> int:
            await alive.ledger.beat()
            await here.ledger.beat()
            return await here.ledger.observe()

        assert silent.ledger.fence_open()
        await until(buried)
        assert not silent.ledger.fence_open()
        assert not await silent.ledger.beat()
        assert await alive.ledger.beat()
        assert await here.ledger.beat()


async def test_no_new_row_is_owned_while_a_worker_has_no_id(database: str) -> None:
    async with replica(database) as here:
        here.ledger._life._die()
        assert here.ledger.worker == 0
        with pytest.raises(LedgerUnavailable):
            await here.ledger.accept(make_job(here.ledger))
        assert await here.ledger.claim_invocations({SERVICE_KEY: 1}) == []
        assert not await here.ledger.beat()
        await stored(here.ledger, make_job(here.ledger))


async def test_an_orderly_end_frees_everything_at_once(database: str) -> None:
    async with replica(database) as leaving, replica(database) as here:
        job = await stored(leaving.ledger, make_job(leaving.ledger, "billing", "risk"))
        await leaving.ledger.record(make_result(job.job_id, "risk"))
        assert await leaving.ledger.release_all() == 2
        (call,) = await here.ledger.claim_invocations({SERVICE_KEY: 5})
        assert call.unsure
        assert len(await here.ledger.claim_deliveries({ENDPOINT: 5})) == 1
        assert await leaving.ledger.release_all() == 0


async def take_and_die(database: str) -> None:
    async with replica(database) as victim:
        await victim.ledger.claim_invocations({SERVICE_KEY: 1})
        await victim.ledger.claim_deliveries({ENDPOINT: 1})


async def test_work_that_crashes_worker_after_worker_is_parked(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk", owned=False))
        here.taker.full = [ENDPOINT]
        await ledger.record(make_result(job.job_id, "risk"))
        for _ in range(4):
            assert await ledger.parked_invocations() == []
            await take_and_die(database)
            assert await ledger.take_over() == 2
        assert await ledger.claim_invocations({SERVICE_KEY: 5}) == []
        (row,) = await ledger.parked_invocations()
        outcome = make_result(
            row.job_id,
            row.service,
            outcome=OutcomeKind.ERROR,
            status=ResultStatus.FAILED,
            reason=InvocationReason.CRASHED_WORKERS,
        )
        assert (await ledger.record(outcome)).verdict is Verdict.WON
        assert await ledger.parked_invocations() == []
        view = await ledger.job(job.job_id)
        assert view is not None
        ends = {message.service: (message.state, message.reason) for message in view.deliveries}
        assert ends == {"risk": (DeliveryState.FAILED, "crashed_workers"), "billing": (DeliveryState.OPEN, None)}


async def test_a_commit_whose_answer_is_lost_is_found_by_reconciling(database: str) -> None:
    async with lossy_way(database) as way, replica(way.dsn) as here:
        ledger = here.ledger
        first = await stored(ledger, make_job(ledger))
        await ledger.record(make_result(first.job_id))
        here.taker.calls.clear()
        here.taker.messages.clear()

        job = make_job(ledger, idempotency=make_key())
        way.lose_next_answer()
        with pytest.raises(LedgerUnavailable):
            await ledger.accept(job)
        assert here.taker.calls == []
        await ledger._hot.link.wait_up()
        repeated = await ledger.accept(make_job(ledger, idempotency=make_key()))
        assert repeated == KeyTaken(job.job_id, b"f")

        result = make_result(job.job_id)
        assert (await ledger.record(make_result(first.job_id))).verdict is Verdict.SAME  # prepares the statement anew
        way.lose_next_answer()
        with pytest.raises(LedgerUnavailable):
            await ledger.record(result)
        assert here.taker.messages == []
        await ledger._hot.link.wait_up()
        assert (await ledger.record(result)).verdict is Verdict.SAME

        lost = lost_rows(ledger, await ledger.held_too_long(0.0))
        assert {(row.table, row.job_id) for row in lost} == {("delivery", job.job_id)}
        assert await ledger.give_back(lost) == 1
        (message,) = await ledger.claim_deliveries({ENDPOINT: 5})
        assert (message.job_id, message.body) == (job.job_id, b"done")
        assert await ledger.take_over() == 0


async def test_a_fenced_write_whose_answer_is_lost_is_repeated_until_it_is_known(database: str) -> None:
    async with lossy_way(database) as way, replica(way.dsn) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk"))
        first, second = here.taker.calls
        assert await ledger.release(make_release(first, acknowledged=True, retry_in=None))
        way.lose_next_answer()
        await ledger.release(make_release(second, acknowledged=True, retry_in=None))
        assert way.lost.is_set()
        view = await ledger.job(job.job_id)
        assert view is not None
        assert [(service.status, service.attempts) for service in view.services] == [("invoked", 1), ("invoked", 1)]
        assert len(ledger.registry) == 0


async def owned_by(database: str, here: Replica) -> tuple[int, int]:
    async with connection(database) as direct:
        sums = [
            await direct.fetchval(f"SELECT count(*) FROM {table} WHERE worker = $1", here.ledger.worker)
            for table in ("invocation", "delivery")
        ]
    return sums[0], sums[1]


async def test_an_outcome_that_was_not_stored_is_no_longer_held(database: str) -> None:
    async with lossy_way(database) as way, replica(way.dsn) as here:
        ledger = here.ledger
        warm = await stored(ledger, make_job(ledger))
        await ledger.record(make_result(warm.job_id))
        job = await stored(ledger, make_job(ledger))
        way.lose_next_answer()
        with pytest.raises(LedgerUnavailable):
            await ledger.refuse_all(job.job_id, services=2)
        assert not ledger.registry.holds("invocation", job.job_id, "billing", 1)
        assert await owned_by(database, here) == (1, 1)
