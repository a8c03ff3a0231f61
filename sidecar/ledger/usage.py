"""What applications have under way, over all replicas."""

from collections.abc import Sequence
from uuid import UUID

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.job import IdempotencyKey, KeyTaken
from sidecar.model.quota import Usage


class UsageReader:
    """Counts, without a row that every job would have to write."""

    def __init__(self, pool: LinkPool, queries: Queries, *, horizon: Horizon) -> None:
        self._pool = pool
        self._queries = queries
        self._horizon = horizon

    async def of(self, applications: Sequence[str]) -> dict[str, Usage]:
        """Count for these applications; one that has nothing is left out.

        Raises:
            LedgerError: As :meth:`sidecar.ledger.link.Link.fetch`.
        """
        lo, hi = await self._horizon.bounds()
        rows = await self._pool.fetch(self._queries.usage, lo, hi, list(applications))
        return {row["application"]: Usage(row["jobs"], row["stored"]) for row in rows}

    async def holder(self, key: IdempotencyKey) -> KeyTaken | None:
        """Tell which job has an idempotency key, without storing anything.

        Raises:
            LedgerError: As :meth:`sidecar.ledger.link.Link.fetch`.
        """
        rows = await self._pool.fetch(self._queries.keys, [key.scope], [key.key])
        return KeyTaken(UUID(int=rows[0]["job_id"].int), rows[0]["fingerprint"]) if rows else None
