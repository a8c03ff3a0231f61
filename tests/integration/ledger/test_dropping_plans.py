"""Looking for bodies to drop costs by the jobs that are looked at, not by those that are there."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.partitions import PARENTS
from tests.integration.ledger.filling import DELIVERIES, INVOCATIONS, JOBS, PAYLOADS, add_days
from tests.integration.ledger.plans import QUERIES, Plan, blocks, explain, filled_database, nodes, planning

ROWS = 60_000
DAYS = 4
LOOK = 500
MOST_BLOCKS = 30 * LOOK  # of 8 KiB; a few index probes for each job that is looked at
RESULTS = "INSERT INTO payload (job_id, service, headers, body) SELECT job_id, 'billing', '', 'b' FROM payload"
LATER = (
    "INSERT INTO sweep_later SELECT n, gen_random_uuid(), now() + (i - 500) * interval '1 s'"
    " FROM unnest(ARRAY['requests', 'results']) n, generate_series(1, 20000) i"
)


async def fill(direct: Any) -> None:
    at = await direct.fetchval("SELECT now()")
    await add_days(direct, range(-DAYS, 1))
    for statement in (JOBS, PAYLOADS, INVOCATIONS, DELIVERIES):
        await direct.execute(statement, ROWS, DAYS, 0, at)
    await direct.execute(RESULTS)
    await direct.execute(LATER)
    for table in (*PARENTS, "sweep_later"):
        await direct.execute(f"ANALYZE {table}")


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with finished jobs of a few days, all with their bodies."""
    with filled_database(postgres, template, fill) as dsn:
        yield dsn


@pytest.fixture
async def direct(filled: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with planning(filled) as found:
        yield found


def check(plan: Plan, *, most_days: int) -> None:
    found = list(nodes(plan))
    large = [
        node for node in found if "_p2" in node.get("Relation Name", "") or node.get("Relation Name") == "sweep_later"
    ]
    assert large
    assert not [node for node in large if node["Node Type"] == "Seq Scan"]
    assert len({node["Relation Name"][-8:] for node in large if "_p2" in node["Relation Name"]}) <= most_days
    assert blocks(plan) < MOST_BLOCKS


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
    assert blocks(plan) < LOOK
