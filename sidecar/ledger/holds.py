"""What operators say of endpoints, beside what their circuits say."""

from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.audit import Actor


class Holds:
    """Holds endpoints and resumes them. Times are seconds."""

    def __init__(self, pool: LinkPool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def hold(self, endpoint: str, *, seconds: float | None, reason: str, by: Actor) -> None:
        """Send nothing to an endpoint, whatever its circuit says; without ``seconds`` until it is resumed.

        All replicas heed it at their next scan. An attempt under way ends as it may. The audit names ``by``.
        """
        await self._pool.fetch(self._queries.endpoint_hold, endpoint, seconds, reason, by.name, by.role)

    async def resume(self, endpoint: str, *, by: Actor) -> bool:
        """End a hold or a pause, and let an open circuit be probed at once; False when nothing kept messages back.

        What waited has its whole budget from now on.
        """
        return bool(await self._pool.fetch(self._queries.endpoint_resume, endpoint, by.name, by.role))
