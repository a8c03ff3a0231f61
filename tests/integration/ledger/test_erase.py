"""Erasing a job: nothing but ids, states and times is left in any table, whatever comes later."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sidecar.ledger import LedgerConfig
from sidecar.ledger.operator import operator_ledger
from sidecar.model.delivery import DeliveryState
from sidecar.model.handed import Handed
from sidecar.model.outcome import Verdict
from sidecar.model.retry import RedriveFilter
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    connection,
    make_call,
    make_end,
    make_job,
    make_key,
    make_release,
    make_result,
    replica,
    stored,
)
from tests.integration.ledger.retrying import BY, claimed, delivering, make_failure, make_object, make_retry_end

PLANTED: dict[str, Any] = {
    "callback_url": "https://hooks.example/crm/1.0/results?token=planted",
    "headers": b"x-name: planted",
    "traceparent": "planted",
    "upload_url": "https://up.example/planted",
    "calls": (make_call(url="http://billing:9000/planted"),),
}
DAY = 86_400.0


def config(dsn: str) -> LedgerConfig:
    return LedgerConfig(dsn=dsn, pool=1)


async def found(direct: "asyncpg.Connection[asyncpg.Record]", word: str = "planted") -> list[str]:
    """Name the tables in some row of which a word stands, as text or in bytes."""
    tables = await direct.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        " AND NOT relispartition"
    )
    names = [row["relname"] for row in tables]
    assert {"job", "payload", "oas_webhook_retry", "idempotency", "stored_object"} <= set(names)
    hexed = word.encode().hex()
    query = "SELECT EXISTS (SELECT FROM {} t WHERE t::text LIKE '%{}%' OR t::text LIKE '%{}%')"
    return [name for name in names if await direct.fetchval(query.format(name, word, hexed))]


async def test_nothing_is_left_but_ids_states_and_times(database: str) -> None:
    async with replica(database) as here, connection(database) as direct, operator_ledger(config(database)) as operator:
        job, (message,) = await delivering(here, body=b"planted", **PLANTED, idempotency=make_key("planted"))
        await here.ledger.objects.kept(job.job_id, "billing", make_object(key="planted"))
        await here.ledger.finish(make_failure(message))
        (retry,) = await claimed(here)
        await here.ledger.finish_retry(make_retry_end(retry, verdict="failed", status=410, reason="gone"))
        assert set(await found(direct)) >= {"job", "payload", "invocation", "oas_webhook_retry", "idempotency"}
        wiped = await operator.erase.wipe(job.job_id, cancel=False)
        assert wiped is not None
        assert (wiped.done, wiped.erased_at, wiped.bodies) == (True, None, 2)
        assert wiped.objects == (make_object(key="planted"),)
        assert await found(direct) == ["stored_object"]  # until the object itself is removed
        assert await operator.erase.erased(job.job_id)
        assert await found(direct) == []
        view = await here.ledger.job(job.job_id)
        assert view is not None
        assert (view.correlation_id, view.services[0].status, view.deliveries[0].state) == (
            "c-1",
            "succeeded",
            "failed",
        )
        (part,) = await here.ledger.parts(job.job_id)
        assert part.gone


async def test_repeating_it_is_harmless_and_finishes_what_was_interrupted(database: str) -> None:
    async with replica(database) as here, operator_ledger(config(database)) as operator:
        job, (message,) = await delivering(here)
        await here.ledger.objects.kept(job.job_id, "billing", make_object())
        await here.ledger.finish(make_end(message))
        for bodies in (2, 0):
            wiped = await operator.erase.wipe(job.job_id, cancel=False)
            assert wiped is not None
            assert (wiped.bodies, wiped.objects, wiped.erased_at) == (bodies, (make_object(),), None)
        assert await operator.erase.erased(job.job_id)
        assert not await operator.erase.erased(job.job_id)
        wiped = await operator.erase.wipe(job.job_id, cancel=False)
        assert wiped is not None
        assert (wiped.bodies, wiped.objects) == (0, ())
        assert wiped.erased_at is not None
        assert await operator.erase.wipe(uuid4(), cancel=True) is None


@pytest.mark.parametrize("stage", ["calling", "sending", "retrying"])
async def test_what_still_runs_is_left_alone_or_cancelled_with_it(database: str, stage: str) -> None:
    async with replica(database) as here, connection(database) as direct, operator_ledger(config(database)) as operator:
        job = await stored(here.ledger, make_job(here.ledger, **PLANTED))
        if stage != "calling":
            await here.ledger.record(make_result(job.job_id, body=b"planted"))
        if stage == "retrying":
            await here.ledger.finish(make_failure(here.taker.messages[0]))
        wiped = await operator.erase.wipe(job.job_id, cancel=False)
        assert wiped is not None
        assert (wiped.done, wiped.calling, wiped.sending) == (False, stage == "calling", stage != "calling")
        assert "payload" in await found(direct)
        wiped = await operator.erase.wipe(job.job_id, cancel=True)
        assert wiped is not None
        assert wiped.done
        assert await found(direct) == []
        view = await here.ledger.job(job.job_id)
        assert view is not None
        assert view.state == "cancelled"
        states = {service.status for service in view.services} | {one.state for one in view.deliveries}
        assert states == ({"cancelled"} if stage == "calling" else {"succeeded", "cancelled"})


async def test_what_comes_after_an_erasure_changes_nothing(database: str) -> None:
    async with replica(database) as here, connection(database) as direct, operator_ledger(config(database)) as operator:
        every = make_job(here.ledger, "billing", "risk", gather=Gather.ALL)
        job = await stored(here.ledger, every)
        await here.ledger.record(make_result(job.job_id, "risk"))
        await operator.erase.wipe(job.job_id, cancel=True)
        for call in here.taker.calls:
            assert not await here.ledger.release(make_release(call))
        late = await here.ledger.record(make_result(job.job_id, "billing", body=b"planted"))
        assert (late.verdict, late.standing) == (Verdict.OTHER, "cancelled")
        each, (message,) = await delivering(here)
        await operator.erase.wipe(each.job_id, cancel=True)
        assert not await here.ledger.finish(make_end(message))
        assert not await here.ledger.finish(make_failure(message))
        assert await here.ledger.redrive.redrive(RedriveFilter(job_id=each.job_id), by=BY, retention=14 * DAY) == 0
        assert await found(direct) == []


async def test_a_failed_message_that_was_erased_cannot_be_redriven(database: str) -> None:
    async with replica(database) as here, operator_ledger(config(database)) as operator:
        job, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
        await operator.erase.wipe(job.job_id, cancel=False)
        assert await here.ledger.redrive.redrive(RedriveFilter(job_id=job.job_id), by=BY, retention=14 * DAY) == 0


async def test_what_became_of_an_upload_is_forgotten_too(database: str) -> None:
    async with replica(database) as here, connection(database) as direct, operator_ledger(config(database)) as operator:
        job, (message,) = await delivering(here, upload_url="https://up.example/planted")
        await here.ledger.objects.uploaded(job.job_id, Handed(url="https://up.example/planted").dump())
        await here.ledger.finish(make_end(message))
        assert await found(direct) == ["job"]
        await operator.erase.wipe(job.job_id, cancel=False)
        assert await found(direct) == []
