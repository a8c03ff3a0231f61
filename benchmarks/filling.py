"""Fill a database with due retries, and have a database to fill."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from benchmarks.gauges import Standing
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate

CHUNK = 250_000
"""Rows in one statement."""


def sql(name: str) -> str:
    """Read one of the statements that lie beside this module."""
    return Path(__file__).with_name(f"{name}.sql").read_text()


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect, and close at the end."""
    direct = await asyncpg.connect(dsn)
    try:
        yield direct
    finally:
        await direct.close()


async def make_database(server: EmbeddedPostgres, name: str) -> str:
    """Make a database with the sidecar's schema; returns its address."""
    async with connection(server.superuser_dsn) as direct:
        await direct.execute(sql("database").replace("benchmark", name))
    await migrate(server.dsn(name))
    return server.dsn(name)


async def add_due(
    direct: "asyncpg.Connection[asyncpg.Record]",
    endpoints: Sequence[str],
    *,
    first: int,
    rows: int,
    size: int,
    due: float,
    spread: float = 0.0,
    bucket: str | None = None,
) -> None:
    """Add due retries, dealt out to the endpoints in turn.

    Args:
        direct: A connection of the superuser.
        endpoints: Whose retries they are.
        first: Number of the first row; numbers must not repeat.
        rows: How many.
        size: Bytes of each body.
        due: When the last of them is due, a Unix time.
        spread: Seconds before that from which on they are due.
        bucket: Where their bodies lie besides; None: in Postgres only.
    """
    statement = sql("fill")
    for begin in range(0, rows, CHUNK):
        count = min(CHUNK, rows - begin)
        await direct.execute(statement, first + begin, count, list(endpoints), size, bucket, due, spread)


async def standing_of(server: EmbeddedPostgres) -> Standing:
    """Ask Postgres what it says of itself.

    Raises:
        RuntimeError: It said nothing.
    """
    async with connection(server.superuser_dsn) as direct:
        row = await direct.fetchrow(sql("standing"))
    if row is None:
        raise RuntimeError("Postgres said nothing")
    return Standing(**dict(row))
