"""Bringing the schema up to date: forward only, each migration once, whoever starts first."""

from pathlib import Path

import asyncpg

from sidecar.ledger.session import password_reader
from sidecar.ledger.sqlfiles import Migration, Queries, load_migrations, load_queries
from sidecar.model.errors import LedgerError, LedgerUnavailable

CONNECT_TIMEOUT = 10.0
NO_TRANSACTION = "-- no transaction"  # first line of a migration that says CONCURRENTLY


async def migrate(dsn: str, *, password: str | None = None, password_file: Path | None = None) -> list[str]:
    """Apply what is missing and return the names of it. Use a direct connection, not one through a pooler.

    Any number may be started at once: they wait for each other.

    Raises:
        LedgerUnavailable: The database cannot be reached.
        LedgerError: An applied migration was changed afterwards, or the schema is newer than its digest tells.
    """
    queries = load_queries()
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT,
            server_settings={"application_name": "sidecar migrate"},
            password=password or password_reader(password_file),
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise LedgerUnavailable(f"cannot connect: {type(error).__name__}") from error
    try:
        await connection.execute(queries.migration_lock)  # given back when the session ends, also by a crash
        await connection.execute(queries.migration_table)
        applied = {row["version"]: bytes(row["sha256"]) for row in await connection.fetch(queries.migrations_applied)}
        missing = pending(load_migrations(), applied)
        for migration in missing:
            await _apply(connection, migration, queries)
        return [migration.name for migration in missing]
    finally:
        await connection.close()


def pending(known: tuple[Migration, ...], applied: dict[int, bytes]) -> list[Migration]:
    """Tell which migrations are missing.

    Raises:
        LedgerError: An applied migration has another text by now.
    """
    for migration in known:
        digest = applied.get(migration.version)
        if digest is not None and digest != migration.digest:
            raise LedgerError(f"migration {migration.name} was changed after it was applied: add a new one instead")
    return [migration for migration in known if migration.version not in applied]


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, queries: Queries) -> None:
    note = (queries.migration_applied, migration.version, migration.name, migration.digest)
    if migration.text.startswith(NO_TRANSACTION):
        await connection.execute(migration.text)
        await connection.execute(*note)
        return
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(*note)
