"""What operators did, kept for as long as ``retention.audit``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of an operator. ``detail`` holds no secrets and no bodies."""

    actor: str  # the name of a token, or of a user at a terminal
    role: str  # that allowed it; ``cli`` at a terminal
    action: str
    target: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """Writes the audit."""

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
