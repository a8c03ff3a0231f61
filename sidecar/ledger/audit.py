"""What operators did, kept for as long as ``retention.audit``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.audit import Actor, AuditFilter, AuditRecord
from sidecar.model.retry import RedriveFilter


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of an operator. ``detail`` holds no secrets and no bodies."""

    actor: str  # the name of a token, or of a user at a terminal
    role: str  # that allowed it; ``cli`` at a terminal
    action: str
    target: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """Writes and reads the audit."""

    def __init__(self, pool: LinkPool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def write(self, entry: AuditEntry) -> int:
        """Note an action before it is done; return the number of the entry.

        Raises:
            LedgerUnavailable: It was not noted, or nobody knows: do not act.
        """
        detail = orjson.dumps(entry.detail).decode()
        args = (entry.actor, entry.role, entry.action, entry.target, detail)
        return int((await self._pool.fetch(self._queries.audit_write, *args))[0]["id"])

    async def records(self, which: AuditFilter, *, before: int | None = None, limit: int = 100) -> list[AuditRecord]:
        """List what matches, newest first; ``before`` is the id where the last page ended."""
        cells = (which.actor, which.action, which.target, which.since, which.until)
        return [audit_record(row) for row in await self._pool.fetch(self._queries.audit, before, limit, *cells)]


def audit_record(row: Mapping[str, Any]) -> AuditRecord:
    """Build a record from its row."""
    return AuditRecord(**{**row, "detail": orjson.loads(row["detail"])})


def audit_cells(by: Actor, which: RedriveFilter, **more: object) -> tuple[object, ...]:
    """Say who changes what, as the parameters that the statements share."""
    asked = {name: getattr(which, name) for name in RedriveFilter.__slots__ if name not in {"job_id", "service"}}
    detail = {name: value for name, value in {**asked, **more}.items() if value is not None and value is not False}
    return by.name, by.role, target_of(which), orjson.dumps(detail).decode()


def target_of(which: RedriveFilter) -> str:
    """Name what a change is about: a job, one message of it, or whatever a filter chose."""
    if which.job_id is None:
        return "filter"
    return str(which.job_id) if which.service is None else f"{which.job_id}/{which.service or 'all'}"
