"""Abort uploads that nobody will complete: their process was killed, or the store was away when they should have ended.

Their parts would be stored, and paid for, for ever. A lifecycle rule of the bucket is the backstop.
"""

from collections.abc import Sequence
from typing import Protocol

from sidecar.offload.errors import OffloadError
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Store(Protocol):
    """What the duty needs of the object store."""

    async def abort_stale_uploads(self, prefix: str, *, older_than: float, bucket: str | None = None) -> int:
        """Abort uploads that began more than ``older_than`` seconds ago; tell how many."""


class AbandonedUploads:
    """Look once through the places where uploads begin.

    Args:
        store: The object store.
        places: Buckets (``None``: the settings') and beginnings of keys.
        older_than: Seconds; longer than any upload under way may take.
        log: Told of what was aborted.
    """

    def __init__(
        self, store: Store, *, places: Sequence[tuple[str | None, str]], older_than: float, log: EventLog
    ) -> None:
        self._store = store
        self._places = places
        self._older_than = older_than
        self._log = log

    async def run_once(self) -> bool:
        """Abort what is abandoned; there is never more to do at once."""
        for bucket, prefix in self._places:
            try:
                aborted = await self._store.abort_stale_uploads(prefix, older_than=self._older_than, bucket=bucket)
            except OffloadError as error:
                self._log.warning(Event.STORE_UNAVAILABLE, stage="abandoned", error=str(error))
                continue
            if aborted:
                self._log.info(Event.UPLOADS_ABORTED, uploads=aborted)
        return False
