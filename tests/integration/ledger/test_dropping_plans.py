"""Looking for bodies to drop costs by the jobs that are looked at, not by those that are there."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.partitions import PARENTS
from sidecar.ledger.sqlfiles import load_queries
from tests.conftest import run
from tests.integration.ledger.filling import DELIVERIES, INVOCATIONS, JOBS, PAYLOADS
from tests.integration.ledger.kit import connection

ROWS = 60_000
DAYS = 4
LOOK = 500
MOST_BLOCKS = 30 * LOOK  # of 8 KiB; a few index probes for each job that is looked at
QUERIES = asdict(load_queries())
RESULTS = "INSERT INTO payload (job_id, service, headers, body) SELECT job_id, 'billing', '', 'b' FROM payload"
LATER = (
    "INSERT INTO sweep_later SELECT n, gen_random_uuid(), now() + (i - 500) * interval '1 s'"
    " FROM unnest(ARRAY['requests', 'results']) n, generate_series(1, 20000) i"
)


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with finished jobs of a few days, all with their bodies."""
    name = f"drop_plans_{uuid4().hex}"

    async def make() -> None:
        async with connection(postgres.superuser_dsn) as direct:
            await direct.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        async with connection(postgres.dsn(name)) as direct:
            await direct.execute("SET synchronous_commit = off")
            at = await direct.fetchval("SELECT now()")
            for offset in range(-DAYS, 1):
                for parent in PARENTS:
                    day = "(now() AT TIME ZONE 'UTC')::date + $2::int"
                    await direct.execute(f"SELECT ledger_add_partition($1, {day})", parent, offset)
            for statement in (JOBS, PAYLOADS, INVOCATIONS, DELIVERIES):
                await direct.execute(statement, ROWS, DAYS, 0, at)
            await direct.execute(RESULTS)
            await direct.execute(LATER)
            for table in (*PARENTS, "sweep_later"):
                await direct.execute(f"ANALYZE {table}")

    async def drop() -> None:
        async with connection(postgres.superuser_dsn) as direct:
            await direct.execute(f"DROP DATABASE {name} WITH (FORCE)")

    run(make())
    try:
        yield postgres.dsn(name)
    finally:
        run(drop())


@pytest.fixture
async def direct(filled: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with connection(filled) as found:
        await found.execute("SET jit = off; SET plan_cache_mode = force_custom_plan")
        yield found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def explain(direct: "asyncpg.Connection[asyncpg.Record]", name: str, *args: object) -> dict[str, Any]:
    change = direct.transaction()
    await change.start()
    try:
        text = await direct.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {QUERIES[name]}", *args)
    finally:
        await change.rollback()
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def check(plan: dict[str, Any], *, most_days: int) -> None:
    found = list(nodes(plan))
    large = [
        node for node in found if "_p2" in node.get("Relation Name", "") or node.get("Relation Name") == "sweep_later"
    ]
    assert large
    assert not [node for node in large if node["Node Type"] == "Seq Scan"]
    assert len({node["Relation Name"][-8:] for node in large if "_p2" in node["Relation Name"]}) <= most_days
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < MOST_BLOCKS


async def bounds(direct: "asyncpg.Connection[asyncpg.Record]") -> tuple[UUID, UUID]:
    row = await direct.fetchrow(
        "SELECT ledger_id_floor(now() - interval '2 days 1 minute') AS lo,"
        " ledger_id_floor(now() - interval '1 day') AS hi"
    )
    assert row is not None
    return row["lo"], row["hi"]


async def test_the_next_jobs_are_found_by_their_order_and_by_their_time(
    direct: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    plan = await explain(direct, "sweep_jobs", *await bounds(direct), "results", LOOK)
    check(plan, most_days=2)
    assert plan["Actual Rows"] == 2 * LOOK
    assert "sweep_later_due" in {node.get("Index Name") for node in nodes(plan)}


@pytest.mark.parametrize(("name", "more"), [("drop_requests", ()), ("drop_results", (60.0,))])
async def test_dropping_touches_the_jobs_that_are_looked_at_alone(
    direct: "asyncpg.Connection[asyncpg.Record]", name: str, more: tuple[float, ...]
) -> None:
    found = await direct.fetch(QUERIES["sweep_jobs"], *await bounds(direct), "none", LOOK)
    jobs = [row["job_id"] for row in found]
    assert len(jobs) == LOOK
    await direct.execute("UPDATE delivery SET finished_at = now() - interval '1 h' WHERE job_id = ANY ($1)", jobs)
    plan = await explain(direct, name, jobs[0], jobs[-1], jobs, *more, jobs[-1])
    check(plan, most_days=1)
    change = direct.transaction()
    await change.start()
    assert await direct.fetchval(QUERIES[name], jobs[0], jobs[-1], jobs, *more, jobs[-1]) == LOOK
    await change.rollback()


async def test_erasing_a_job_touches_its_own_day_alone(direct: "asyncpg.Connection[asyncpg.Record]") -> None:
    (row, *_) = await direct.fetch(QUERIES["sweep_jobs"], *await bounds(direct), "none", 1)
    await direct.execute("UPDATE invocation SET call = '{}' WHERE job_id = $1", row["job_id"])
    plan = await explain(direct, "erase_job", row["job_id"], False)
    check(plan, most_days=1)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < LOOK
