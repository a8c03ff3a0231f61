"""The schema of a ledger that is in use already: its rows and days go on, and may be retried."""

from uuid import uuid4

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger import migrate
from sidecar.ledger.partitions import PARENTS
from sidecar.ledger.sqlfiles import load_migrations, load_queries
from tests.integration.ledger.kit import ENDPOINT, connection, replica
from tests.integration.ledger.retrying import claimed, retrying


@pytest.fixture
async def old(postgres: EmbeddedPostgres) -> str:
    """A database of the first version, with a few days and rows."""
    name = f"old_{uuid4().hex}"
    async with connection(postgres.superuser_dsn) as direct:
        await direct.execute(f"CREATE DATABASE {name}")
    first, queries = load_migrations()[0], load_queries()
    async with connection(postgres.dsn(name)) as direct:
        await direct.execute(queries.migration_table)
        await direct.execute(first.text)
        await direct.execute(queries.migration_applied, first.version, first.name, first.digest)
        for parent in PARENTS:
            for offset in (-1, 0, 1):
                await direct.execute(
                    "SELECT ledger_add_partition($1, (now() AT TIME ZONE 'UTC')::date + $2::int)", parent, offset
                )
        for state in ("open", "delivered", "failed"):
            await direct.execute(
                "INSERT INTO delivery (job_id, service, kind, status, endpoint, state, due_at, created_at, finished_at)"
                " VALUES (ledger_id_floor(now()), $1, 'direct', 'succeeded', $2, $1, now(), now(),"
                " CASE $1 WHEN 'open' THEN NULL ELSE now() END)",
                state,
                ENDPOINT,
            )
    return postgres.dsn(name)


async def test_an_older_ledger_goes_on_with_its_days_and_retries(old: str) -> None:
    assert await migrate(old) == [migration.name for migration in load_migrations()[1:]]
    async with replica(old) as here, connection(old) as direct:
        assert await here.ledger.ensure_partitions(3) == 2 * len(PARENTS)
        job = await retrying(here)
        (retry,) = await claimed(here)
        assert retry.job_id == job.job_id
        assert await direct.fetchval("SELECT count(*) FROM delivery") == 4
        with pytest.raises(asyncpg.CheckViolationError):
            await direct.execute("UPDATE delivery SET state = 'lost' WHERE service = 'open'")
        unchecked = await direct.fetch("SELECT conname FROM pg_constraint WHERE contype = 'c' AND NOT convalidated")
        assert unchecked == []


async def test_programs_of_the_version_before_go_on_beside_it(old: str) -> None:
    await migrate(old)
    async with connection(old) as direct:
        await direct.execute(
            "INSERT INTO job (job_id, correlation_id, application, route, method, callback_url, endpoint, gather,"
            " services_total, open_services, links_base, created_at, deadline_at)"
            " VALUES (ledger_id_floor(now()), 'c', 'a', '/r', 'POST', 'u', 'e', 'each', 1, 1, 'l', now(), now())"
        )
        await direct.execute(
            "INSERT INTO payload (job_id, service, headers, body) VALUES (ledger_id_floor(now()), '', '', 'b')"
        )
        await direct.execute("UPDATE delivery SET state = 'failed', finished_at = now() WHERE service = 'open'")
