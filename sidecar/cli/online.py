"""``sidecar config check --online``: ask the database and the object store before a roll-out does."""

from collections.abc import Iterable, Iterator

from sidecar.cli.database import ledger_config
from sidecar.gatekeeper import jwks_client
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.server import check_server
from sidecar.ledger.sqlfiles import load_queries
from sidecar.ledger.stats import LedgerStats
from sidecar.model.errors import ConfigError, KeysUnavailable, LedgerError
from sidecar.model.jwt import parse_keys
from sidecar.offload.check import Finding, check_store
from sidecar.settings.database import DatabaseSettings
from sidecar.settings.gateway import BackendJwt
from sidecar.settings.root import Settings

SIGNS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


async def check_online(settings: Settings) -> list[Finding]:
    """Ask the database, and where there are any, the server of the gateway's keys and the object store."""
    findings = [await check_database(settings.database)]
    if isinstance(settings.gateway.identity, BackendJwt):
        findings.append(await check_keys(settings.gateway.identity))
    if settings.offload is not None:
        findings += await check_store(settings.offload)
    return findings


async def check_database(database: DatabaseSettings) -> Finding:
    """Look at the database's version, durability and schema."""
    pool = LinkPool(ledger_config(database), LedgerStats())
    try:
        await check_server(pool, load_queries())
    except ConfigError as error:
        text, _, remedy = str(error).partition("; ")
        return Finding("fail", "database", text, remedy)
    except (LedgerError, OSError) as error:
        return Finding("fail", "database", str(error), "mend database.dsn or its password, or the network")
    finally:
        await pool.close()
    return Finding("ok", "database", "can be reached and has the schema that this version needs")


async def check_keys(identity: BackendJwt) -> Finding:
    """Read the keys that tokens of the gateway are checked with."""
    try:
        keys = parse_keys(await jwks_client(identity).fetch())
    except (KeysUnavailable, ConfigError, ValueError) as error:
        remedy = "mend gateway.identity.jwks_url or ca_file, or the network"
        return Finding("fail", "gateway keys", str(error), remedy)
    return Finding("ok", "gateway keys", f"can be read, {len(keys)} of them")


def tell(findings: Iterable[Finding], *, title: str = "\nOnline") -> Iterator[str]:
    """Yield the lines that tell people what was found."""
    yield title
    for finding in findings:
        yield f"  {SIGNS[finding.level]}  {finding.topic}: {finding.text}"
        if finding.remedy:
            yield f"        {finding.remedy}"
