"""Large request bodies: stored as they come, and removed again when they do not become a job's."""

from collections.abc import Sequence
from uuid import UUID

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadError
from sidecar.offload.upload import Upload
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog

UNKEPT = Problem(
    503,
    "storage_unavailable",
    "The request was not stored: its body is large, and the object store is away. Repeat it in a few seconds.",
    headers={"retry-after": "5"},
)


class LargeRequests:
    """Take in request bodies that are too large for the ledger."""

    def __init__(self, bodies: Bodies, *, log: EventLog) -> None:
        self._bodies = bodies
        self._log = log

    async def begin(self, job_id: UUID, headers: Sequence[tuple[bytes, bytes]], route: str) -> Upload:
        """Open a place for a body; ``route`` is the route's path.

        Raises:
            OffloadUnavailable: There is none just now.
        """
        return self._bodies.open(job_id, "", headers=headers, route=route)

    def unkept(self, error: OffloadError) -> ProblemError:
        """Tell of a body that could not be stored; the answer that says so."""
        self._log.warning(Event.STORE_UNAVAILABLE, stage="accept", error=str(error))
        return ProblemError(UNKEPT)

    async def drop(self, body: bytes | StoredObject) -> None:
        """Remove the object of a body that did not become a job's."""
        if not isinstance(body, bytes):
            await self._bodies.drop(body)
