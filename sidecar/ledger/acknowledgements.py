"""Acknowledgements that wait a moment for the outcome that makes them needless."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from sidecar.ledger.group_commit import Queue
from sidecar.ledger.registry import Registry
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Release

MOMENT = 0.05
"""Seconds that an acknowledgement waits. A service that calls back at once is heard well within, also under load."""

READABLE = 1.0
"""Seconds that a reader waits for one at most."""

Lost = Callable[[Release, LedgerError], None]
"""Told of an acknowledgement that was not stored."""


class Acknowledgements:
    """Store acknowledgements, save those whose outcome is committed first: that ends the ownership by itself.

    Nobody waits for an acknowledgement, so it costs no answer any time. If the process dies within the moment, the
    invocation is taken over as one that may have reached its service, as it is while a commit is under way.

    Args:
        queue: Where acknowledgements are stored from.
        registry: What this process holds; an acknowledged call is held until it is stored or over.
    """

    def __init__(self, queue: Queue[Release, bool], registry: Registry) -> None:
        self._queue = queue
        self._registry = registry
        self._held: dict[tuple[UUID, str], tuple[float, Release, Lost]] = {}  # oldest first, by their time
        self._storing: dict[asyncio.Future[bool], UUID] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = queue.loop

    def add(self, release: Release, lost: Lost) -> None:
        """Take an acknowledgement on."""
        key = (release.job_id, release.service)
        if key in self._held:  # of an earlier claim
            self._store(*self._held.pop(key)[1:])
        due = self._loop.time() + MOMENT
        self._held[key] = (due, release, lost)
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._store_due)

    def overtaken(self, job_id: UUID, service: str) -> None:
        """Hear that an invocation has an outcome now."""
        held = self._held.pop((job_id, service), None)
        if held is not None:
            self._registry.drop("invocation", job_id, service, held[1].claim)

    def status_of(self, job_id: UUID, service: str) -> int | None:
        """Tell the status of an acknowledgement that still waits: its outcome is to be stored with it."""
        held = self._held.get((job_id, service))
        return None if held is None else held[1].status

    def hurry(self) -> None:
        """Let nothing wait any longer."""
        held, self._held = self._held, {}
        for _, release, lost in held.values():
            self._store(release, lost)

    async def settle(self, within: float) -> None:
        """Store everything, within so many seconds; a database that is away is not waited for."""
        self.hurry()
        if self._storing and self._queue.up:
            await asyncio.wait(self._storing, timeout=within)

    async def tell(self, job_id: UUID) -> None:
        """Store those of one job, about which somebody asks; whoever was told of them must not read less than that."""
        for key in [key for key in self._held if key[0] == job_id]:
            self._store(*self._held.pop(key)[1:])
        storing = [commit for commit, job in self._storing.items() if job == job_id]
        if storing:
            await asyncio.wait(storing, timeout=READABLE)

    def _store_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._held:
            key, (due, release, lost) = next(iter(self._held.items()))
            if due > now:
                self._timer = self._loop.call_at(due, self._store_due)
                return
            del self._held[key]
            self._store(release, lost)

    def _store(self, release: Release, lost: Lost) -> None:
        try:
            storing = self._queue.submit(release)
        except LedgerError as error:
            self._lose(release, lost, error)
            return
        self._storing[storing] = release.job_id
        storing.add_done_callback(lambda done: self._stored(done, release, lost))

    def _stored(self, done: "asyncio.Future[bool]", release: Release, lost: Lost) -> None:
        self._storing.pop(done, None)
        if not done.cancelled() and isinstance(error := done.exception(), LedgerError):
            self._lose(release, lost, error)

    def _lose(self, release: Release, lost: Lost, error: LedgerError) -> None:
        # No longer held, so that reconciling finds the row.
        self._registry.drop("invocation", release.job_id, release.service, release.claim)
        lost(release, error)
