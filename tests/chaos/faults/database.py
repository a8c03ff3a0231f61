"""Faults of Postgres, and of the way to it."""

import asyncio
import random

import asyncpg

from tests.acceptance.harness.waiting import tick
from tests.chaos.site import Site
from tests.chaos.ways import Mode

TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
HOLD_ROWS = "SELECT job_id FROM job ORDER BY job_id DESC LIMIT 50 FOR UPDATE SKIP LOCKED"
TABLES = ("job", "payload", "invocation", "delivery", "oas_webhook_retry", "worker", "endpoint")


async def restart(site: Site, chance: random.Random) -> None:
    with site.fault("Postgres is restarted"):
        await asyncio.to_thread(site.postgres.stop)
        await tick(chance.uniform(0.0, 3.0))
        site.postgres.start()


async def crash(site: Site, chance: random.Random) -> None:
    with site.fault("Postgres is killed"):
        await asyncio.to_thread(site.postgres.kill)
        await tick(chance.uniform(0.0, 3.0))
        site.postgres.start()


async def terminate(site: Site, chance: random.Random) -> None:
    with site.fault("connections to Postgres are terminated again and again"):
        connection = await asyncpg.connect(site.dsn)
        try:
            for _ in range(chance.randint(5, 20)):
                await connection.fetchval(TERMINATE)
                await tick(chance.uniform(0.02, 0.3))
        finally:
            await connection.close()


async def idle_in_transaction(site: Site, chance: random.Random) -> None:
    with site.fault("somebody holds a snapshot and the locks of fifty jobs"):
        connection = await asyncpg.connect(site.dsn)
        try:
            held = connection.transaction(isolation="repeatable_read")
            await held.start()
            while not await locked(connection):  # a row was written after the snapshot was taken
                await held.rollback()
                held = connection.transaction(isolation="repeatable_read")
                await held.start()
            await tick(chance.uniform(1.0, 5.0))  # sometimes for longer than a statement may take
            await held.commit()
        finally:
            await connection.close()


async def locked(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Lock the newest jobs; false when the snapshot is too old for that."""
    try:
        await connection.fetch(HOLD_ROWS)
    except asyncpg.SerializationError:
        return False
    return True


async def use_up_connections(site: Site, chance: random.Random) -> None:
    with site.fault("somebody takes all connections of Postgres"):
        taken: list[asyncpg.Connection] = []
        try:
            while True:
                taken.append(await asyncpg.connect(site.dsn))
        except asyncpg.TooManyConnectionsError:
            site.to_database.break_connections()  # and nobody gets a new one
            await tick(chance.uniform(0.5, 3.0))
        finally:
            for connection in taken:
                connection.terminate()


async def lock_queue(site: Site, chance: random.Random) -> None:
    table = chance.choice(TABLES)
    with site.fault(f"somebody locks the table {table}, and everybody queues"):
        connection = await asyncpg.connect(site.dsn)
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                await tick(chance.uniform(0.5, 4.0))
        finally:
            await connection.close()


async def unreachable(site: Site, chance: random.Random) -> None:
    with site.fault("packets to Postgres are dropped"):
        async with site.to_database.broken(Mode.SILENT):
            await tick(chance.uniform(1.0, 6.0))
            if chance.random() < 0.5:  # else what was on its way still arrives
                site.to_database.break_connections()


async def refused(site: Site, chance: random.Random) -> None:
    with site.fault("connections to Postgres are refused"):
        async with site.to_database.broken(Mode.REFUSING):
            await tick(chance.uniform(0.5, 4.0))


FAULTS = {
    "restart Postgres": restart,
    "kill Postgres": crash,
    "terminate connections": terminate,
    "idle in transaction": idle_in_transaction,
    "use up connections": use_up_connections,
    "lock a table": lock_queue,
    "drop packets to Postgres": unreachable,
    "refuse connections to Postgres": refused,
}
