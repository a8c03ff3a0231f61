"""Circuits and pauses of endpoints, shared by all replicas: one small row each, written when a state changes."""

from sidecar.ledger.ownership import Ownership
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.retry import EndpointState


class Endpoints:
    """Reads and changes the state of endpoints. Times are seconds, by the database's clock."""

    def __init__(self, pool: LinkPool, queries: Queries, ownership: Ownership) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership

    async def away(self) -> list[EndpointState]:
        """Tell the endpoints that are open, paused or held, by name. Cheap: the others are not looked at."""
        return [EndpointState(**row) for row in await self._pool.fetch(self._queries.endpoints_away)]

    async def open(self, endpoint: str, *, seconds: float, reason: str) -> int | None:
        """Open a circuit, or keep it open after a failed probe.

        Returns:
            How many openings there were in a row, or None when it is open already and its time is not over.
        """
        rows = await self._pool.fetch(self._queries.endpoint_open, endpoint, seconds, reason)
        return int(rows[0]["openings"]) if rows else None

    async def pause(self, endpoint: str, *, seconds: float, reason: str) -> bool:
        """Pause an endpoint that asked for it; False when it is away for as long already."""
        return bool(await self._pool.fetch(self._queries.endpoint_pause, endpoint, seconds, reason))

    async def probe(self, endpoint: str, *, seconds: float) -> bool:
        """Lease the one probe of an open endpoint; False when it is not yet time, or another has it."""
        rows = await self._pool.fetch(self._queries.endpoint_probe, endpoint, self._ownership.living(), seconds)
        return bool(rows)

    async def close(self, endpoint: str) -> bool:
        """Close a circuit or end a pause: somebody is there. False when the endpoint was not away."""
        return bool(await self._pool.fetch(self._queries.endpoint_close, endpoint))
