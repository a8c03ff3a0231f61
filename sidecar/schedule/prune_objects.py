"""Remove stored objects that are kept long enough and that no open work needs."""

from collections.abc import Sequence
from typing import Protocol

from sidecar.model.retry import KnownObject
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.offload.store import ObjectStore
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Objects(Protocol):
    """What the duty needs of the ledger."""

    async def over(self, retention: float, limit: int = 100) -> Sequence[KnownObject]:
        """Doom objects that are over; nothing may begin to rely on them."""

    async def deleted(self, objects: Sequence[KnownObject]) -> int:
        """Forget objects that were removed."""


class PruneObjects:
    """Remove one batch: doomed first, removed next, forgotten last, so that a crash between leaves nothing behind.

    Args:
        objects: The ledger's side.
        store: The object store.
        retention: Seconds from when an object was stored; the last link's life is part of it.
        log: Told of what was removed.
    """

    def __init__(self, objects: Objects, store: ObjectStore, *, retention: float, log: EventLog) -> None:
        self._objects = objects
        self._store = store
        self._retention = retention
        self._log = log

    async def run_once(self) -> bool:
        """Remove what is over; true when there may be more."""
        over = await self._objects.over(self._retention)
        if not over:
            return False
        try:
            await self._store.delete([StoredObject.load(item.stored) for item in over])
        except OffloadError as error:
            self._log.warning(Event.STORE_UNAVAILABLE, stage="prune", error=str(error))
            return False
        self._log.info(Event.OBJECTS_DELETED, objects=await self._objects.deleted(over))
        return True
