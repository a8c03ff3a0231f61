"""Large callbacks: into the store as they come, compared with what stands already, or put there by the service."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from sidecar.model.delivery import Part
from sidecar.model.errors import LedgerError, ProblemError
from sidecar.model.job import JobView
from sidecar.model.outcome import OutcomeKind, Recorded, Verdict
from sidecar.model.problems import Problem
from sidecar.model.route import ServiceCall
from sidecar.model.shape import Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.upload import Upload

NOT_OFFERED = Problem(
    400, "result_status_unsupported", "x-result-status: uploaded needs a result-upload-url; this call had none."
)
MISSING = Problem(
    400, "upload_missing", "Nothing is stored under the result-upload-url; put the result there before you say so."
)


class Ledger(Protocol):
    """What large callbacks need of the ledger."""

    async def receiving(self, job_id: UUID, service: str, *, seconds: float) -> datetime | Recorded:
        """Hold the deadline off and tell until when, or tell what stands."""

    async def receiving_ended(self, job_id: UUID, service: str, *, until: datetime) -> None:
        """Let the deadline run again, unless another callback holds it off meanwhile."""

    async def standing(self, job_id: UUID, service: str) -> Recorded | None:
        """Tell how an invocation ended; None while it is open."""

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        """Return what the job keeps of its route for one service."""

    async def job(self, job_id: UUID) -> JobView | None:
        """Return what is known of a job."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return the outcomes of a job."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A large callback for an invocation that has ended: its digest, and what stands.

    Of one that was uploaded before and is gone, digest and size are empty, as in the object that was made of it.
    """

    sha256: bytes
    size: int
    standing: Recorded


class Arrival:
    """A large callback that is stored as it comes, while its deadline waits.

    Args:
        upload: Where it goes.
        lift: Lets the deadline run again, when the callback does not arrive.
    """

    def __init__(self, upload: Upload, *, lift: Callable[[], Awaitable[None]]) -> None:
        self._upload = upload
        self._lift = lift

    async def write(self, chunk: bytes, /) -> None:
        """Store the next piece."""
        await self._upload.write(chunk)

    async def finish(self) -> StoredObject:
        """Make the object."""
        return await self._upload.finish()

    async def abort(self) -> None:
        """Leave nothing behind."""
        try:
            await self._upload.abort()
        finally:
            await self._lift()


class Comparison:
    """A large callback that is only compared: its invocation has a result, perhaps this very one."""

    def __init__(self, standing: Recorded) -> None:
        self._standing = standing
        self._digest = hashlib.sha256()
        self._size = 0

    async def write(self, chunk: bytes, /) -> None:
        """Digest the next piece."""
        self._digest.update(chunk)
        self._size += len(chunk)

    async def finish(self) -> Compared:
        """Tell its digest."""
        return Compared(self._digest.digest(), self._size, self._standing)

    async def abort(self) -> None:
        """Forget it."""


class LargeCallbacks:
    """Take in what is too large for the ledger.

    Args:
        ledger: The ledger.
        bodies: Where bodies go.
        shapes: How each endpoint likes its objects.
        longest: Seconds that an arriving body holds its deadline off at most.
    """

    def __init__(self, ledger: Ledger, bodies: Bodies, *, shapes: Shapes, longest: float) -> None:
        self._ledger = ledger
        self._bodies = bodies
        self._shapes = shapes
        self._longest = longest

    async def begin(
        self, job_id: UUID, service: str, *, headers: Sequence[tuple[bytes, bytes]]
    ) -> Arrival | Comparison | Recorded:
        """Open what takes the callback, or tell what stands in its place, so that it need not be read."""
        held = await self._ledger.receiving(job_id, service, seconds=self._longest)
        if isinstance(held, Recorded):
            return Comparison(held) if may_be_repeated(held) else held
        lift = partial(self._lift, job_id, service, held)
        try:
            job = await self._job(job_id)
            route, style = (None, None) if job is None else (job.route, self._shapes.of(job.endpoint).style)
            upload = self._bodies.open(job_id, service, headers=headers, route=route, style=style)
        except BaseException:
            await lift()
            raise
        return Arrival(upload, lift=lift)

    async def adopt(self, job_id: UUID, service: str, *, token: str) -> StoredObject | Compared:
        """Make what a service uploaded by itself ours; or compare, when it was taken before and is gone.

        Raises:
            ProblemError: 400, when it had no link or did not use it.
            LedgerUnavailable: Nobody knows what stands.
            OffloadError: The store is away.
        """
        call = await self._ledger.service_call(job_id, service)
        if call is None or not call.offer_upload:
            raise ProblemError(NOT_OFFERED)
        route = await self._route(job_id)
        stored = await self._bodies.adopt(job_id, service, random=offered_name(token), route=route)
        if stored is not None:
            return stored
        standing = await self._ledger.standing(job_id, service)
        if standing is None:
            raise ProblemError(MISSING)
        return Compared(b"", 0, standing)

    async def drop_loser(self, job_id: UUID, service: str, *, stored: StoredObject, recorded: Recorded) -> None:
        """Remove an object that no outcome names; one that may be named stays."""
        if recorded.verdict is Verdict.WON:
            return
        if recorded.verdict is Verdict.SAME:
            # The outcome that stands may be this one: its first commit happened, and only the answer was lost.
            try:
                parts = await self._ledger.parts(job_id)
            except LedgerError:
                return
            if any(part.service == service and part.stored == stored.dump() for part in parts):
                return
        await self._bodies.drop(stored)

    async def drop_offered(self, job_id: UUID, service: str, *, token: str) -> None:
        """Remove what a service uploaded, once it was copied for good or is of no use any more."""
        route = await self._route(job_id)
        bucket, key = self._bodies.offered(job_id, service, random=offered_name(token), route=route)
        await self._bodies.drop(StoredObject(bucket, key, 0, b"", 0, b"", None, ""))

    async def drop(self, stored: StoredObject) -> None:
        """Remove an object that the ledger never heard of."""
        await self._bodies.drop(stored)

    async def _lift(self, job_id: UUID, service: str, until: datetime) -> None:
        with suppress(LedgerError):
            await self._ledger.receiving_ended(job_id, service, until=until)

    async def _route(self, job_id: UUID) -> str | None:
        job = await self._job(job_id) if self._bodies.by_route else None
        return None if job is None else job.route

    async def _job(self, job_id: UUID) -> JobView | None:
        """Look the job up, where it matters whose body it is."""
        return await self._ledger.job(job_id) if self._bodies.by_route or self._shapes.styled else None


def may_be_repeated(standing: Recorded) -> bool:
    """Tell whether a callback may be the one that stands, so that it is worth reading."""
    result = standing.standing == OutcomeKind.RESULT
    return standing.verdict is Verdict.OTHER and result and standing.digest is not None


def offered_name(token: str) -> str:
    """Name the object behind a result-upload-url after its callback's token.

    Nobody else can guess it, and any replica finds it again.
    """
    return sha256(b"result-upload-url\n" + token.encode()).hexdigest()[:24]
