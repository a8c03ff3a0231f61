"""Databases of a run, and what Postgres says of itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate

_STANDING = Path(__file__).with_name("standing.sql").read_text()


@dataclass(frozen=True, slots=True)
class Standing:
    """What Postgres says of itself."""

    version: str
    fsync: str
    synchronous_commit: str
    settings: str  # others that matter, as "name value, name value"
    wal: int  # bytes written since the cluster began


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
        await direct.execute(f"CREATE DATABASE {name}")
    await migrate(server.dsn(name))
    return server.dsn(name)


async def standing(direct: "asyncpg.Connection[asyncpg.Record]") -> Standing:
    """Ask Postgres.

    Raises:
        RuntimeError: It said nothing.
    """
    row = await direct.fetchrow(_STANDING)
    if row is None:
        raise RuntimeError("Postgres said nothing")
    return Standing(**dict(row))
