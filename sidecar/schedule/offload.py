"""Move the small bodies of failed messages to the object store. Their retries go on meanwhile, also when it is away."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sidecar.model.retry import Unmoved
from sidecar.model.shape import Shapes
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadError, OffloadRefused
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Objects(Protocol):
    """What the duty needs of the ledger."""

    async def unmoved(self, limit: int = 100) -> Sequence[Unmoved]:
        """Tell pending retries whose body lies in Postgres only."""

    async def moved(self, job_id: UUID, service: str, stored: bytes) -> bool:
        """Name the object that a retry's body was copied to; false when it is not wanted."""


class Offload:
    """Move one batch; the ledger names the winner of two replicas, the loser removes its own copy."""

    def __init__(self, objects: Objects, bodies: Bodies, *, shapes: Shapes, log: EventLog) -> None:
        self._objects = objects
        self._bodies = bodies
        self._shapes = shapes
        self._log = log

    async def run_once(self) -> bool:
        """Move what waits; true when there may be more."""
        waiting = await self._objects.unmoved()
        moved, refused = 0, 0
        for body in waiting:
            try:
                moved += await self._move(body)
            except OffloadError as error:
                self._log.warning(Event.STORE_UNAVAILABLE, stage="offload", job_id=str(body.job_id), error=str(error))
                if not isinstance(error, OffloadRefused):
                    return False
                refused += 1  # what is wrong with this one may be right with the others
        if moved:
            self._log.info(Event.BODY_MOVED, bodies=moved)
        return bool(waiting) and not refused

    async def _move(self, body: Unmoved) -> bool:
        stored = await self._bodies.keep(
            body.job_id,
            body.service,
            body.body,
            headers=body.headers,
            route=body.route,
            style=self._shapes.of(body.endpoint).style,
        )
        if await self._objects.moved(body.job_id, body.service, stored.dump()):
            return True
        await self._bodies.store.delete([stored])
        return False
