"""A database that goes away and comes back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger import migrate
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.outcome import Verdict
from tests.integration.ledger.kit import SERVICE_KEY, make_job, make_release, make_result, replica, stored


@pytest.fixture
def own_server(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A server that a test may kill."""
    with EmbeddedPostgres(directory / "outage") as server:
        yield server


async def test_what_was_fenced_waits_for_the_database_and_the_rest_fails_at_once(own_server: EmbeddedPostgres) -> None:
    dsn = own_server.dsn("postgres")
    await migrate(dsn)
    async with replica(dsn) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger, "billing", "risk"))
        own_server.kill()
        pending = asyncio.ensure_future(
            ledger.release(make_release(here.taker.calls[0], acknowledged=True, retry_in=None))
        )
        for refused in (
            lambda: ledger.accept(make_job(ledger)),
            lambda: ledger.record(make_result(job.job_id)),
            lambda: ledger.claim_invocations({SERVICE_KEY: 1}),
            ledger.beat,
        ):
            with pytest.raises(LedgerUnavailable):
                await refused()
        assert not ledger.up
        with pytest.raises(LedgerUnavailable):
            await ledger.accept(make_job(ledger))
        assert not pending.done()
        worker = ledger.worker
        own_server.start()
        assert await pending
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON
        await ledger._beat_link.wait_up()
        assert await ledger.beat()
        assert await ledger.observe() == 0
        assert ledger.worker == worker
        await stored(ledger, make_job(ledger))


async def test_a_stop_while_the_database_is_away_leaves_nobody_waiting(own_server: EmbeddedPostgres) -> None:
    dsn = own_server.dsn("postgres")
    await migrate(dsn)
    async with replica(dsn) as here:
        await stored(here.ledger, make_job(here.ledger))
        own_server.kill()
        waiting = asyncio.ensure_future(here.ledger.release(make_release(here.taker.calls[0])))
        await asyncio.gather(here.ledger._hot.stop(timeout=0.1), here.ledger._large.stop(timeout=0.1))
        with pytest.raises(LedgerUnavailable):
            await waiting
