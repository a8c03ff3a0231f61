"""What a server must be like for us to promise anything."""

from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries, load_migrations
from sidecar.model.errors import ConfigError

OLDEST = 140_000  # server_version_num


async def check_server(pool: LinkPool, queries: Queries) -> None:
    """Look at version, durability and schema.

    Raises:
        ConfigError: The message names what is wrong, and the remedy.
        LedgerUnavailable: The database is away.
    """
    server = (await pool.fetch(queries.server))[0]
    if server["version"] < OLDEST:
        raise ConfigError("the database is older than PostgreSQL 14; upgrade it")
    if server["synchronous_commit"] == "off":
        raise ConfigError("synchronous_commit is off: the server may forget what it confirmed; set it to on")
    needed = load_migrations()[-1].version
    found = (await pool.fetch(queries.schema_version))[0]["version"] if server["migrated"] else 0
    if found < needed:
        raise ConfigError(f"the schema has version {found}, this program needs {needed}; run: sidecar migrate")
