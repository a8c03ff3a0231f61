"""Remove stored objects that are over: kept long enough and needed by no open work, or unwanted by everybody."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sidecar.model.retry import KnownObject
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.store import ObjectStore
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Objects(Protocol):
    """What the duty needs of the ledger."""

    async def deleted(self, objects: Sequence[KnownObject]) -> int:
        """Forget objects that were removed."""

    async def put_off(self, objects: Sequence[KnownObject]) -> None:
        """Let objects that the store refused to remove wait for longer than others."""


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
        """Remove what is over; true when there may be more.

        An object that the store refuses to remove keeps no other: it is put off. While the store is away for any of
        them, there is no more to do.
        """
        over = await self._over()
        if not over:
            return False
        objects = [StoredObject.load(item.stored) for item in over]
        errors = await self._store.delete_each(objects)
        self._tell(objects, errors)
        ends = list(zip(over, errors, strict=True))
        if gone := [item for item, error in ends if error is None]:
            self._log.info(Event.OBJECTS_DELETED, objects=await self._objects.deleted(gone))
        await self._objects.put_off([item for item, error in ends if isinstance(error, OffloadRefused)])
        return not any(isinstance(error, OffloadUnavailable) for error in errors)

    def _tell(self, objects: Sequence[StoredObject], errors: Sequence[OffloadError | None]) -> None:
        """Tell each reason once for each bucket: a bucket that is gone refuses all its objects."""
        reasons = Counter(
            (stored.bucket, str(error)) for stored, error in zip(objects, errors, strict=True) if error is not None
        )
        for (bucket, reason), count in reasons.items():
            self._log.warning(Event.STORE_UNAVAILABLE, stage="prune", bucket=bucket, error=reason, objects=count)
