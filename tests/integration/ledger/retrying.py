"""Small builders for messages that fail, and a look at what the ledger of retries holds."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from sidecar.model.audit import Actor
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState
from sidecar.model.job import NewJob
from sidecar.model.retry import Retry, RetryEnd, RetryVerdict
from sidecar.model.stored import StoredObject
from tests.integration.ledger.kit import ENDPOINT, Replica, connection, make_end, make_job, make_result, stored

BUDGET = 43_200.0
HOUR = 3600.0
BY = Actor("oncall", "operator")


def make_failure(message: Delivery, **over: Any) -> DeliveryEnd:
    failure = make_end(
        message, state=DeliveryState.RETRYING, status=503, reason="status_503", budget=BUDGET, seconds=0.25
    )
    return replace(failure, **over)


def make_retry_end(retry: Retry, **over: Any) -> RetryEnd:
    end = RetryEnd(
        job_id=retry.job_id,
        service=retry.service,
        worker=retry.worker,
        claim=retry.claim,
        verdict=RetryVerdict.AGAIN,
        status=502,
        reason="status_502",
        seconds=0.5,
        delay=HOUR,
        wait=0.0,
        budget=BUDGET,
    )
    return replace(end, **over)


def make_object(**over: Any) -> bytes:
    made = StoredObject(
        bucket="results",
        key="2026/01/02/a/b/random",
        size=1000,
        sha256=b"s" * 32,
        stored_size=400,
        stored_sha256=b"t" * 32,
        coding="gzip",
        etag='"e"',
    )
    return replace(made, **over).dump()


async def delivering(
    here: Replica, *services: str, body: bytes = b"done", **over: Any
) -> tuple[NewJob, list[Delivery]]:
    """A job whose messages this replica is sending; the taker keeps them all."""
    before = len(here.taker.messages)
    job = await stored(here.ledger, make_job(here.ledger, *services, **over))
    for call in job.calls:
        await here.ledger.record(make_result(job.job_id, call.service, body=body))
    return job, here.taker.messages[before:]


async def retrying(here: Replica, *services: str, **over: Any) -> NewJob:
    """A job whose messages failed once; they are due again at once."""
    job, messages = await delivering(here, *services, **over)
    for message in messages:
        assert await here.ledger.finish(make_failure(message))
    return job


async def claimed(here: Replica, count: int = 1, endpoint: str = ENDPOINT) -> list[Retry]:
    found = await here.ledger.claim_retries({endpoint: count})
    assert len(found) == count
    return found


async def row_of(dsn: str, job_id: UUID, service: str = "billing") -> dict[str, Any]:
    """Read a retry with the state of its delivery."""
    async with connection(dsn) as direct:
        row = await direct.fetchrow(
            "SELECT r.*, d.state AS delivery, d.attempts AS tries, d.last_reason AS why, d.finished_at AS ended,"
            " v.waits_for, extract(epoch FROM r.next_attempt_at - now())::float8 AS due_in,"
            " extract(epoch FROM r.next_attempt_at - r.first_failed_at)::float8 AS since_first"
            ' FROM oas_webhook_retry r JOIN delivery d USING (job_id, service) JOIN "OasWebhookRetry" v'
            " USING (job_id, service) WHERE r.job_id = $1 AND r.service = $2",
            job_id,
            service,
        )
    assert row is not None
    found = dict(row)
    found["history"] = json.loads(found["history"])
    return found


async def age(dsn: str, job_id: UUID, seconds: float) -> None:
    """Let a retry be older, as if its sequence had begun before."""
    async with connection(dsn) as direct:
        await direct.execute(
            "UPDATE oas_webhook_retry SET first_failed_at = first_failed_at - make_interval(secs => $2::float8)"
            " WHERE job_id = $1",
            job_id,
            seconds,
        )


async def make_due(dsn: str) -> None:
    async with connection(dsn) as direct:
        await direct.execute("UPDATE oas_webhook_retry SET next_attempt_at = now() WHERE state = 'pending'")
