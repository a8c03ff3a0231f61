"""What Postgres does for a query, on a database that is filled once for the tests of a file."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.sqlfiles import load_queries
from tests.conftest import execute, run
from tests.integration.ledger.kit import connection

QUERIES = asdict(load_queries())
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)

Plan = dict[str, Any]


@contextmanager
def filled_database(postgres: EmbeddedPostgres, template: str, fill: Callable[[Any], Awaitable[None]]) -> Iterator[str]:
    """Make a database, fill it over a connection of its own, and remove it in the end."""
    name = f"plans_{uuid4().hex}"

    async def make() -> None:
        async with connection(postgres.dsn(name)) as direct:
            await direct.execute("SET synchronous_commit = off")
            await fill(direct)

    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        run(make())
        yield postgres.dsn(name)
    finally:
        run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@asynccontextmanager
async def planning(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect, so that plans are made for the values of each query."""
    async with connection(dsn) as direct:
        await direct.execute("SET jit = off; SET plan_cache_mode = force_custom_plan")
        yield direct


async def explain(direct: "asyncpg.Connection[asyncpg.Record]", name: str, *args: object) -> Plan:
    """Run a query of the ledger, tell its plan with what was read, and undo what it did."""
    change = direct.transaction()
    await change.start()
    try:
        text = await direct.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {QUERIES[name]}", *args)
    finally:
        await change.rollback()
    plan: Plan = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    """Yield a plan and all plans below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def blocks(plan: Plan) -> int:
    """How many blocks of 8 KiB were looked at."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
