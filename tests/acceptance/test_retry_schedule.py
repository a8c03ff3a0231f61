"""The whole retry sequence by its default settings, while a test moves the time; and sequences whose owners die."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sidecar.dev.object_store import EmbeddedStore
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.retrying import BUCKET, QUICK, Retrying, retrying, stock_route
from tests.acceptance.harness.site import DYING
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.webhooks import Message
from tests.acceptance.harness.world import Places, World

MANY = 30
TIME_PASSES = (
    "UPDATE oas_webhook_retry r SET next_attempt_at = now(), first_failed_at = first_failed_at - w.wait,"
    " last_attempt_at = last_attempt_at - w.wait"
    " FROM (SELECT job_id, service, next_attempt_at - now() AS wait, next_attempt_at - last_attempt_at AS delay,"
    "       retry_count FROM oas_webhook_retry WHERE job_id = $1::uuid FOR NO KEY UPDATE) w"
    " WHERE r.job_id = w.job_id AND r.service = w.service AND r.state = 'pending' AND r.worker IS NULL"
    " AND r.next_attempt_at > now() AND r.retry_count = $2"
    " RETURNING extract(epoch FROM w.delay)::float8 AS delay"
)
BUDGETS_PASS = (
    "UPDATE oas_webhook_retry SET first_failed_at = first_failed_at - interval '1 minute' WHERE state = 'pending'",
    "UPDATE delivery SET due_at = due_at - interval '1 minute' WHERE state = 'open'",
)
AGE = "SELECT extract(epoch FROM finished_at - first_failed_at)::float8 AS age FROM oas_webhook_retry WHERE job_id = $1"
OPEN = (
    "SELECT job_id FROM invocation WHERE outcome IS NULL"
    " UNION ALL SELECT job_id FROM delivery WHERE state IN ('open', 'retrying')"
)


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "store-of-schedules", bucket=BUCKET) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Sites:
    """Makes replicas on the test's database, with one store and one world around them."""

    world: World
    store: EmbeddedStore
    dsn: str
    directory: Path
    routes: list[dict[str, Any]]
    nobody: int  # a port
    make_replica: MakeReplica

    @asynccontextmanager
    async def open(self, count: int, **retry: str) -> AsyncIterator[list[Retrying]]:
        over = {**DYING, **retrying(self.directory, self.store, **retry)}
        replicas = [self.make_replica(self.routes, over=over) for _ in range(count)]
        with ending(*replicas):
            for replica in replicas:
                await replica.start()
            yield [Retrying(Flow(self.world, replica), self.dsn, self.store) for replica in replicas]


@pytest.fixture
def surroundings(places: Places, world: World, store: EmbeddedStore) -> tuple[Places, World, EmbeddedStore]:
    return places, world, store


@pytest.fixture
def sites(
    surroundings: tuple[Places, World, EmbeddedStore], database: str, make_replica: MakeReplica, tmp_path: Path
) -> Sites:
    places, world, store = surroundings
    return Sites(world, store, database, tmp_path, stock_route(places), places.nobody, make_replica)


@pytest.fixture
async def site(sites: Sites) -> AsyncIterator[Retrying]:
    """A sidecar with the default sequence."""
    async with sites.open(1, scan_interval="20ms") as (opened,):
        yield opened


async def test_twenty_two_retries_fit_in_twelve_hours_and_then_the_message_has_failed(site: Retrying) -> None:
    world = site.flow.world
    world.webhooks.status["/never/1.0/results"] = 503
    job = await site.accepted(site.hook("never"))
    delays = []
    for retry in range(22):
        (passed,) = await ask_until(lambda: query(site.dsn, TIME_PASSES, job, retry), f"retry {retry} can wait")  # noqa: B023 - asked at once
        delays.append(passed["delay"])
    row = await site.until_row(job, state="failed")
    assert delays == [min(2.0**retry, 3600.0) for retry in range(22)]
    assert (row["reason"], row["last_reason"], row["retry_count"], row["attempts"]) == (
        "retries_exhausted",
        "status_503",
        22,
        23,
    )
    (ended,) = await query(site.dsn, AGE, job)
    assert 43_200 - 3600 < ended["age"] <= 43_200  # the next one would have come after twelve hours
    delivery = await site.until_delivery(job, "failed")
    assert delivery["last_reason"] == "retries_exhausted"
    messages = world.webhooks.by_job[job]
    assert [int(message.headers["x-attempt"]) for message in messages] == list(range(1, 24))
    assert len({message.id for message in messages}) == 1


async def test_a_webhook_that_asks_for_peace_has_it_and_its_last_retry_comes_at_the_edge(site: Retrying) -> None:
    async def behave(_: Message) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "99999999"})

    site.flow.world.webhooks.behaviours["/busy/1.0/results"] = behave
    job = await site.accepted(site.hook("busy"))
    row = await site.until_row(job, retry_count=0, waits_for="endpoint_paused")
    assert (row["next_attempt_at"] - row["first_failed_at"]).total_seconds() == 43_200
    endpoint = site.hook("busy").removesuffix("/results")
    paused = await site.until_endpoint(endpoint, "paused")
    assert paused["reason"] == "retry_after_429"


async def test_a_short_budget_ends_a_sequence_soon(sites: Sites) -> None:
    sites.world.webhooks.status["/short/1.0/results"] = 504
    async with sites.open(1, **{**QUICK, "give_up_after": "1s"}) as (site,):
        job = await site.accepted(site.hook("short"))
        row = await site.until_row(job, state="failed")
    assert (row["reason"], row["last_status"], row["next_attempt_at"]) == ("retries_exhausted", 504, None)
    assert len(sites.world.webhooks.by_job[job]) == row["attempts"] <= 4  # 100, 200 and 400 ms fit, 800 ms more do not


async def test_what_waits_for_an_endpoint_beyond_its_budget_ends_without_an_attempt_of_each(sites: Sites) -> None:
    nobody = f"http://127.0.0.1:{sites.nobody}/away/1.0"
    async with sites.open(1, **{**QUICK, "give_up_after": "5s"}) as (site,):
        jobs = [await site.accepted(f"{nobody}/results") for _ in range(12)]
        await site.until_endpoint(nobody, "open")

        async def all_ended() -> bool:
            for passes in BUDGETS_PASS:
                await query(sites.dsn, passes)
            await site.probe_is_due(nobody)
            return await settled(sites.dsn)

        await ask_until(all_ended, "an end of all that waits")
        beside = await site.accepted(site.hook("beside"))
        await site.until_delivery(beside, "delivered")
        ends = [await site.until_delivery(job, "failed") for job in jobs]
    reasons = {end["last_reason"] for end in ends}
    assert "endpoint_unreachable" in reasons
    assert reasons <= {"endpoint_unreachable", "retries_exhausted"}


async def test_retries_whose_owners_are_killed_are_sent_by_others_under_the_same_ids(sites: Sites) -> None:
    calm, held = asyncio.Event(), set[str]()

    async def behave(message: Message) -> web.StreamResponse:
        if message.headers["x-attempt"] == "1":
            return web.Response(status=503)
        held.add(message.job_id)
        await calm.wait()
        return web.Response(status=204)

    webhooks = sites.world.webhooks
    webhooks.behaviours["/hook/1.0/results"] = behave
    async with sites.open(2, **QUICK) as opened:
        replicas = [site.flow.replica for site in opened]
        jobs = [await opened[number % 2].accepted(opened[0].hook("hook"), b"%d" % number) for number in range(MANY)]
        await wait_until(lambda: len(held) >= 10, "retries that are under way")
        for replica in replicas:
            replica.kill()
        calm.set()
        for replica in replicas:
            await replica.start()
        await ask_until(lambda: settled(sites.dsn), "a ledger with nothing unfinished")
    states = await query(sites.dsn, "SELECT state, count(*) AS rows FROM delivery GROUP BY state")
    assert states == [{"state": "delivered", "rows": MANY}]
    for job in jobs:
        assert {message.id for message in webhooks.by_job[job]} == {f"{job}:stock:succeeded"}


async def settled(dsn: str) -> bool:
    return not await query(dsn, OPEN)
