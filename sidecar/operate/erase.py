"""Erasing jobs: rows and objects, with a note of who wished it."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sidecar.ledger.audit import AuditEntry
from sidecar.ledger.erase import Wiped
from sidecar.model.audit import Actor
from sidecar.model.errors import SidecarError
from sidecar.model.stored import StoredObject
from sidecar.offload.keys import job_prefix


class NotErasedError(SidecarError):
    """A job could not be erased to its end; the message says why and the remedy."""


class Rows(Protocol):
    """What this needs of the ledger."""

    def wipe(self, job_id: UUID, *, cancel: bool) -> Awaitable[Wiped | None]:
        """Wipe a job's rows."""

    def erased(self, job_id: UUID) -> Awaitable[bool]:
        """Note that nothing is left."""


class Notes(Protocol):
    """Where it is noted who does what."""

    def write(self, entry: AuditEntry) -> Awaitable[int]:
        """Note an action before it is done."""


class Objects(Protocol):
    """What this needs of the object store."""

    def erase(self, prefix: str, *, bucket: str | None = None) -> Awaitable[int]:
        """Remove every version of what lies under a prefix; tell how many."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed: ``bodies`` in the database, and ``versions`` of objects. ``before``: all was gone already."""

    bodies: int
    versions: int
    before: bool


class Eraser:
    """Erase jobs in somebody's name.

    Rows go first, objects next, and only then is the job noted as erased: whatever interrupts it, the same command
    finishes it.

    Args:
        rows: The ledger's side.
        notes: The audit.
        store: The object store, if there is one.
        places: Buckets (``None``: the store's own) and beginnings of keys, where objects may lie.
        by: Who wishes it.
    """

    def __init__(
        self,
        rows: Rows,
        notes: Notes,
        *,
        store: Objects | None,
        places: Sequence[tuple[str | None, str]],
        by: Actor,
    ) -> None:
        self._rows = rows
        self._notes = notes
        self._store = store
        self._places = places
        self._by = by

    async def erase(self, job_id: UUID, *, cancel: bool) -> Erased:
        """Erase one job.

        Raises:
            NotErasedError: There is no such job, it still runs, or its objects lie in a store that is not configured.
            OffloadError: The object store is away; the rows are wiped already.
            LedgerUnavailable: The database is away.
        """
        detail = {"jobs": [str(job_id)], "cancel": cancel}
        await self._notes.write(AuditEntry(self._by.name, self._by.role, "erase", str(job_id), detail))
        wiped = await self._rows.wipe(job_id, cancel=cancel)
        if wiped is None:
            raise NotErasedError(f"there is no job {job_id}; what it held is gone, if it ever was")
        if not wiped.done:
            raise NotErasedError(f"{job_id} {why_it_runs(wiped)}; wait until it has ended, or give it up with --cancel")
        versions = await self._remove(job_id, wiped)
        before = not await self._rows.erased(job_id)
        return Erased(wiped.bodies, versions, before=before and not wiped.bodies and not versions)

    async def _remove(self, job_id: UUID, wiped: Wiped) -> int:
        known = [StoredObject.load(stored) for stored in wiped.objects]
        if self._store is None:
            if known:
                raise NotErasedError(
                    f"objects of {job_id} lie in the bucket {known[0].bucket}, and the settings name no object store;"
                    " its rows are erased; name offload.bucket and its credentials, and run this again"
                )
            return 0
        # By the beginning of their keys, so that what the ledger does not know is found too; and what lay elsewhere
        # under older settings, by name.
        under = {(bucket, job_prefix(prefix, job_id)) for bucket, prefix in self._places}
        under |= {(stored.bucket, stored.key) for stored in known}
        return sum([await self._store.erase(prefix, bucket=bucket) for bucket, prefix in sorted(under, key=str)])


def why_it_runs(wiped: Wiped) -> str:
    """Say what a job still waits for."""
    if wiped.calling:
        return "still waits for a service"
    return "has a message that is still to be sent"
