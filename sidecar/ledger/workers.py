"""The life of a worker: its beat, its fence, its death, and the burial of others."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sidecar.ledger.clock import DatabaseClock, boottime
from sidecar.ledger.link import Link
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.errors import LedgerUnavailable

FENCE = 2 / 3  # of dead_after: how long after its last beat a worker still acts
BEAT_TIMEOUT = 1 / 5  # of dead_after: how long one beat may take
GAP = 2 / 5  # of dead_after: an observer that looked away for longer begins anew
NEVER = float("-inf")


@dataclass(slots=True)
class Observer:
    """Tells who is dead: whose beat did not change over ``dead_after`` seconds of unbroken observation.

    No clock of the database or of another machine decides, so an outage of the database buries nobody.
    """

    dead_after: float
    _seen: dict[int, tuple[int, float]] = field(default_factory=dict)  # worker -> beat, since when
    _looked: float = NEVER

    def look(self, beats: Mapping[int, int], *, at: float) -> list[tuple[int, int]]:
        """Take the beats read at the boot time ``at`` and tell (worker, beat) of those to bury."""
        if at - self._looked > self.dead_after * GAP:
            self._seen.clear()
        self._looked = at
        before, self._seen = self._seen, {}
        for worker, beat in beats.items():
            known = before.get(worker)
            self._seen[worker] = known if known is not None and known[0] == beat else (beat, at)
        return [(worker, beat) for worker, (beat, since) in self._seen.items() if at - since >= self.dead_after]


class WorkerLife:
    """This process as a worker, on a connection of its own."""

    def __init__(
        self,
        link: Link,
        queries: Queries,
        *,
        ownership: Ownership,
        clock: DatabaseClock,
        dead_after: float,
        on_death: Callable[[], None] | None,
    ) -> None:
        self._link = link
        self._queries = queries
        self._ownership = ownership
        self._clock = clock
        self._dead_after = dead_after
        self._on_death = on_death
        self._observer = Observer(dead_after)
        self._beat_sent = NEVER
        self._buried = False

    def fence_open(self) -> bool:
        """Tell whether the last beat is recent enough to act on what we own."""
        return boottime() < self._beat_sent + self._dead_after * FENCE

    def since_beat(self) -> float:
        """Tell the seconds since the last beat that came through; infinity when there was none."""
        return boottime() - self._beat_sent

    async def register(self) -> None:
        """Become a new worker."""
        sent = boottime()
        rows = await self._link.fetch(self._queries.worker_register, socket.gethostname(), os.getpid())
        self._clock.measure(rows[0]["epoch"], sent=sent, received=boottime())
        self._ownership.worker = rows[0]["worker_id"]
        self._beat_sent = sent
        self._buried = False

    async def beat(self) -> bool:
        """Beat once; False when this worker was buried: then all its work is forgotten and it has a new id.

        Raises:
            LedgerUnavailable: The beat did not come through.
        """
        if not self._buried:
            sent = boottime()
            try:
                rows = await self._link.fetch(self._queries.worker_beat, self._ownership.worker)
            except LedgerUnavailable:
                self._ownership.stats.beats_lost += 1
                raise
            if rows:
                self._clock.measure(rows[0]["epoch"], sent=sent, received=boottime())
                self._beat_sent = sent
                return True
            self._die()
        await self.register()
        return False

    async def observe(self) -> int:
        """Look at the others' beats and bury the dead; tell how many.

        Raises:
            LedgerUnavailable: The database is away.
        """
        rows = await self._link.fetch(self._queries.worker_observe, self._ownership.worker)
        dead = self._observer.look({row["worker_id"]: row["beat"] for row in rows}, at=boottime())
        for worker, beat in dead:
            await self._link.fetch(self._queries.worker_bury, worker, beat)
            self._ownership.stats.burials += 1
        return len(dead)

    async def leave(self) -> None:
        """End in order: bury oneself, if the database is there."""
        self._beat_sent = NEVER
        try:
            await self._link.fetch(self._queries.worker_leave, self._ownership.worker)
        except LedgerUnavailable:
            return  # the others will notice

    def _die(self) -> None:
        # The id goes first: a flush that ends now must not take its work.
        self._buried = True
        self._beat_sent = NEVER
        self._ownership.stats.deaths += 1
        self._ownership.worker = 0
        self._ownership.registry.forget_all()
        if self._on_death is not None:
            self._on_death()
