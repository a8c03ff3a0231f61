"""The schema: brought up to date once, by whoever comes first, and refused when it is not what the program needs."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger import migrate
from sidecar.ledger.sqlfiles import load_migrations
from sidecar.model.errors import ConfigError, LedgerError, LedgerUnavailable
from tests.integration.ledger.kit import connection, make_job, replica, stored

NAMES = [migration.name for migration in load_migrations()]


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> str:
    """The address of a database without a schema."""
    name = f"empty_{uuid4().hex}"
    async with connection(postgres.superuser_dsn) as direct:
        await direct.execute(f"CREATE DATABASE {name}")
    return postgres.dsn(name)


async def test_three_started_at_once_on_an_empty_database_migrate_it_once(empty: str) -> None:
    applied = await asyncio.gather(migrate(empty), migrate(empty), migrate(empty))
    assert sorted(applied) == [[], [], NAMES]
    assert await migrate(empty) == []
    async with replica(empty) as here:
        await stored(here.ledger, make_job(here.ledger))


async def test_a_migration_that_was_changed_afterwards_is_refused(empty: str) -> None:
    await migrate(empty)
    async with connection(empty) as direct:
        await direct.execute("UPDATE schema_migration SET sha256 = 'other' WHERE version = 1")
    with pytest.raises(LedgerError, match=NAMES[0]):
        await migrate(empty)


async def test_a_ledger_does_not_start_on_a_schema_that_is_too_old(empty: str) -> None:
    with pytest.raises(ConfigError, match="sidecar migrate"):
        async with replica(empty):
            pass


async def test_a_ledger_starts_on_a_newer_schema(empty: str) -> None:
    await migrate(empty)
    async with connection(empty) as direct:
        await direct.execute("INSERT INTO schema_migration VALUES (9999, '9999_later', '')")
    async with replica(empty) as here:
        await stored(here.ledger, make_job(here.ledger))
    assert await migrate(empty) == []


async def test_a_server_that_forgets_commits_is_refused(database: str) -> None:
    async with connection(database) as direct:
        name = await direct.fetchval("SELECT current_database()")
        await direct.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(ConfigError, match="synchronous_commit"):
        async with replica(database):
            pass


async def test_a_database_that_is_away_is_told_as_such() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(LedgerUnavailable):
        await migrate(nowhere)
    with pytest.raises(LedgerUnavailable):
        async with replica(nowhere):
            pass


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invocation SET outcome = 'result', status = 'succeeded', kind = 'direct', finished_at = now()",
        "UPDATE invocation SET outcome = 'result', worker = NULL",
        "UPDATE invocation SET next_attempt_at = now()",
        "UPDATE invocation SET claim = 0",
        "UPDATE invocation SET status = 'succeeded'",
        "UPDATE job SET open_services = -1",
        "UPDATE job SET state = 'failed'",
    ],
)
async def test_the_schema_itself_refuses_states_that_cannot_be(database: str, statement: str) -> None:
    async with replica(database) as here, connection(database) as direct:
        await stored(here.ledger, make_job(here.ledger))
        with pytest.raises(asyncpg.CheckViolationError):
            await direct.execute(statement)
