"""All batches lock in one order, and scans begin where the last one ended."""

import asyncio
import json
import os
import random
from typing import Any

from sidecar.ledger import Ledger
from sidecar.ledger.link import Link, Rows
from sidecar.ledger.packing import MOST
from sidecar.model.outcome import Verdict
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    connection,
    make_end,
    make_job,
    make_release,
    make_result,
    replica,
    stored,
)


class Listening:
    """Passes statements on and keeps the job ids and services that they bring, in order."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.batches: dict[str, list[list[tuple[str, str]]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def fetch(self, query: str, *args: object) -> Rows:
        name = query[3 : query.find("\n")]
        place = {"release": 0, "record": 3, "finish": 0, "accept": 1}.get(name)
        if place is not None:
            rows = json.loads(str(args[place]))
            self.batches.setdefault(name, []).append([(row["job_id"], row.get("service", "")) for row in rows])
        return await self._link.fetch(query, *args)


def listen(ledger: Ledger) -> Listening:
    listening = Listening(ledger._hot.link)
    ledger._hot.link = listening  # type: ignore[assignment]
    return listening


async def test_every_batch_is_sorted_whatever_the_order_of_arrival(database: str) -> None:
    rng = random.Random(3)
    services = ("c", "a", "b")
    async with replica(database) as here:
        ledger = here.ledger
        heard = listen(ledger)
        jobs = [make_job(ledger, *services) for _ in range(150)]
        rng.shuffle(jobs)
        await asyncio.gather(*(ledger.accept(job) for job in jobs))
        releases = [make_release(call, acknowledged=True, retry_in=None) for call in here.taker.calls]
        rng.shuffle(releases)
        await asyncio.gather(*(ledger.release(release) for release in releases))
        results = [make_result(job.job_id, service) for job in jobs for service in services]
        rng.shuffle(results)
        await asyncio.gather(*(ledger.record(result) for result in results))
        ends = [make_end(message) for message in here.taker.messages]
        rng.shuffle(ends)
        assert all(await asyncio.gather(*(ledger.finish(end) for end in ends)))
    assert heard.batches.keys() == {"accept", "release", "record", "finish"}
    for batches in heard.batches.values():
        assert all(batch == sorted(batch) for batch in batches)
        assert max(map(len, batches)) > 100


async def test_two_replicas_with_the_same_work_in_opposite_order_meet_no_deadlock(database: str) -> None:
    async with replica(database) as here, replica(database) as there:
        jobs = [make_job(here.ledger, "billing", "risk") for _ in range(200)]
        await asyncio.gather(*(here.ledger.accept(job) for job in jobs))
        results = [make_result(job.job_id, service) for job in jobs for service in ("billing", "risk")]
        answers = await asyncio.gather(
            *(here.ledger.record(result) for result in results),
            *(there.ledger.record(result) for result in reversed(results)),
        )
        verdicts = [answer.verdict for answer in answers]
        assert (verdicts.count(Verdict.WON), verdicts.count(Verdict.SAME)) == (400, 400)
        assert here.ledger.stats.conflicts + there.ledger.stats.conflicts == 0


async def test_a_claim_is_bounded_in_bytes_and_takes_at_least_one(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        for _ in range(4):
            await stored(ledger, make_job(ledger, body=os.urandom(1000), owned=False))
        claims = ledger._claims
        assert len(await claims.invocations({SERVICE_KEY: 10}, max_bytes=2500)) == 2
        assert len(await claims.invocations({SERVICE_KEY: 10}, max_bytes=10)) == 1
        assert len(await claims.invocations({SERVICE_KEY: 10})) == 1
        for _ in range(4):
            await stored(ledger, make_job(ledger, body=bytes(1000), owned=False))
        assert len(await claims.invocations({SERVICE_KEY: 10}, max_bytes=2 * MOST + 100)) == 2  # compressed


async def test_a_claim_takes_a_few_of_each_and_the_oldest_first(database: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        ledger = here.ledger
        here.taker.full = ["dead", "fine"]
        for endpoint in ["dead"] * 20 + ["fine"] * 3:
            job = await stored(ledger, make_job(ledger, endpoint=endpoint))
            await ledger.record(make_result(job.job_id))
        found = await ledger.claim_deliveries({"dead": 2, "fine": 2})
        assert sorted(message.endpoint for message in found) == ["dead", "dead", "fine", "fine"]
        left = await direct.fetchval("SELECT min(due_at) FROM delivery WHERE worker IS NULL AND endpoint = 'dead'")
        taken = await direct.fetchval("SELECT max(due_at) FROM delivery WHERE worker IS NOT NULL AND endpoint = 'dead'")
        assert taken <= left
        assert await ledger.claim_deliveries({"dead": 0}) == []


async def test_work_that_is_not_due_yet_is_neither_told_nor_claimed(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        job = await stored(ledger, make_job(ledger))
        await ledger.release(make_release(here.taker.calls[0], retry_in=600.0))
        assert (await ledger.service_keys_with_work()).names == ()
        assert await ledger.claim_invocations({SERVICE_KEY: 5}) == []
        assert await ledger.claim_deliveries({ENDPOINT: 5}) == []
        assert (await ledger.record(make_result(job.job_id))).verdict is Verdict.WON


async def test_a_skip_scan_goes_on_from_its_cursor(database: str) -> None:
    async with replica(database) as here:
        ledger = here.ledger
        here.taker.full = names = [f"e{number}" for number in range(7)]
        for endpoint in names:
            job = await stored(ledger, make_job(ledger, endpoint=endpoint))
            await ledger.record(make_result(job.job_id))
        first = await ledger._claims.endpoints(limit=4)
        assert (first.names, first.cursor) == (("e0", "e1", "e2", "e3"), "e3")
        second = await ledger._claims.endpoints("e3", limit=4)
        assert (second.names, second.cursor) == (("e4", "e5", "e6"), None)
