"""Remove stored objects that are over: kept long enough and needed by no open work, or unwanted by everybody."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sidecar.model.retry import KnownObject
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.offload.store import ObjectStore
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Objects(Protocol):
    """What the duty needs of the ledger."""

    async def deleted(self, objects: Sequence[KnownObject]) -> int:
        """Forget objects that were removed."""


class PruneObjects:
    """Remove one batch: doomed first, removed next, forgotten last, so that a crash between leaves nothing behind.

    Args:
        objects: The ledger's side.
        store: The object store.
        over: Dooms objects that are over and tells them; nothing may begin to rely on them.
        log: Told of what was removed.
    """

    def __init__(
        self,
        objects: Objects,
        store: ObjectStore,
        *,
        over: Callable[[], Awaitable[Sequence[KnownObject]]],
        log: EventLog,
    ) -> None:
        self._objects = objects
        self._store = store
        self._over = over
        self._log = log

    async def run_once(self) -> bool:
        """Remove what is over; true when there may be more."""
        over = await self._over()
        if not over:
            return False
        try:
            await self._store.delete([StoredObject.load(item.stored) for item in over])
        except OffloadError as error:
            self._log.warning(Event.STORE_UNAVAILABLE, stage="prune", error=str(error))
            return False
        self._log.info(Event.OBJECTS_DELETED, objects=await self._objects.deleted(over))
        return True
