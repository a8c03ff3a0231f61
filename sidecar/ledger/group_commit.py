"""Group commit: writes that arrive while a flush is under way go together in the next one.

An idle ledger commits at once, a busy one commits large batches: there is no timer. What no caller waits for lets the
rest go first for a moment.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sidecar.ledger.link import DayMissing, LedgerConflict, Link
from sidecar.ledger.stats import LedgerStats
from sidecar.model.errors import LedgerError, LedgerRejected, LedgerUnavailable, NotStored
from sidecar.telemetry.histogram import Histogram

MAX_ROWS = 256
MAX_BYTES = 1 << 20
LARGE = 64 << 10  # a row with more goes through a lane of its own
REPEATS = 10  # of a batch that met a deadlock
PAUSE = 0.1  # seconds, after the database refused a write that has to be repeated
ROUNDS = 2  # of the event loop before a batch is taken: what is ready goes with it, and spares a statement of its own
YIELDS = 0.012  # seconds that a kind which no caller waits for lets others go first
MANY = 64  # rows of such a kind that do not wait any longer

I = TypeVar("I")  # noqa: E741 - item
R = TypeVar("R")
I_contra = TypeVar("I_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Again:
    """A result that says: put this item into the next batch."""


AGAIN = Again()


class Kind(Protocol[I_contra, R_co]):
    """One kind of write: how its items are told apart, ordered and stored together."""

    name: str
    patient: bool  # kept and repeated while the database is away; that must be harmless
    yields: bool  # no caller waits for it: others go first, for a moment

    def unique(self, item: I_contra, /) -> Hashable:
        """Tell what may occur only once in a batch, or None."""

    def day(self, item: I_contra, /) -> int:
        """Tell the day of the item's job: a batch is of one day."""

    def order(self, item: I_contra, /) -> Any:
        """Tell the place in the batch: all batches lock in the same order."""

    def size(self, item: I_contra, /) -> int:
        """Tell about how many bytes the item brings."""

    async def flush(self, link: Link, items: Sequence[I_contra], /) -> Sequence[R_co | Again | LedgerError]:
        """Store the items in one statement, hand over what it committed, and tell what became of each."""


class Entry(Generic[I, R]):
    """An item, and who waits for it."""

    __slots__ = ("item", "waiter")

    def __init__(self, item: I, waiter: "asyncio.Future[R]") -> None:
        self.item = item
        self.waiter = waiter

    def settle(self, result: R | LedgerError) -> None:
        """Tell the waiter, if there still is one."""
        if self.waiter.done():
            return
        if isinstance(result, LedgerError):
            self.waiter.set_exception(result)
        else:
            self.waiter.set_result(result)


class Queue(Generic[I, R]):
    """The items of one kind that wait for a flush."""

    def __init__(self, kind: Kind[I, R], lane: "Lane", sizes: Histogram) -> None:
        self.kind = kind
        self.sizes = sizes
        self.entries: deque[Entry[I, R]] = deque()
        self._lane = lane
        self._since = 0.0  # when the oldest entry came
        self.loop = lane.loop

    @property
    def up(self) -> bool:
        """Whether its lane has a connection, as far as anyone knows."""
        return self._lane.link.up

    def submit(self, item: I) -> "asyncio.Future[R]":
        """Put an item into the next batch; the future's cancellation does not take it out again.

        Raises:
            NotStored: The database is known to be away, and this kind does not wait for it.
        """
        if not self._lane.open or not (self.kind.patient or self._lane.link.up):
            raise NotStored("the database is away")
        waiter: asyncio.Future[R] = self._lane.loop.create_future()
        if not self.entries:
            self._since = self.loop.time()
        self.entries.append(Entry(item, waiter))
        self._lane.wake.set()
        return waiter

    @property
    def in_no_hurry(self) -> bool:
        """Whether others may go first now."""
        return self.kind.yields and len(self.entries) < MANY and self.loop.time() - self._since < YIELDS

    def take(self) -> list[Entry[I, R]]:
        """Take the next batch: of one day, bounded in rows and bytes, each unique key once, in the order of locking."""
        if len(self.entries) == 1:
            return [self.entries.popleft()]
        batch: list[Entry[I, R]] = []
        later: list[Entry[I, R]] = []
        seen: set[Hashable] = set()
        size = 0
        day = self.kind.day(self.entries[0].item)
        while self.entries and len(batch) < MAX_ROWS:
            entry = self.entries.popleft()
            if self.kind.day(entry.item) != day:
                later.append(entry)
                continue
            size += self.kind.size(entry.item)
            if batch and size > MAX_BYTES:
                self.entries.appendleft(entry)
                break
            key = self.kind.unique(entry.item)
            if key is not None and key in seen:
                later.append(entry)
                continue
            seen.add(key)
            batch.append(entry)
        self.entries.extendleft(reversed(later))
        batch.sort(key=lambda entry: self.kind.order(entry.item))
        return batch

    def put_back(self, batch: Sequence[Entry[I, R]]) -> None:
        """Put entries back to the front."""
        self.entries.extendleft(reversed(batch))

    def fail(self, error: LedgerError) -> None:
        """Give up everything that waits."""
        while self.entries:
            self.entries.popleft().settle(error)


class Lane:
    """One connection and one task that goes round the kinds with pending items."""

    def __init__(self, link: Link, stats: LedgerStats) -> None:
        self.link = link
        self.loop = asyncio.get_running_loop()  # asking for it at each write costs a system call on Python 3.11
        self.open = True
        self.wake = asyncio.Event()
        self._stats = stats
        self._queues: list[Queue[Any, Any]] = []
        self._task: asyncio.Task[None] | None = None

    def queue(self, kind: Kind[I, R]) -> Queue[I, R]:
        """Add a kind to the round."""
        queue = Queue(kind, self, self._stats.kind(kind.name))
        self._queues.append(queue)
        return queue

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The flusher, to be watched: its end is a fault."""
        return self._task

    def start(self) -> None:
        """Begin to flush."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"flush {self.link.name}")

    async def stop(self, *, timeout: float) -> None:
        """Let pending flushes end within ``timeout`` seconds, then give up the rest; safe to call twice."""
        self.open = False
        self.wake.set()
        task, self._task = self._task, None
        if task is not None:
            if self.link.up:  # a database that is away is not waited for: whoever lives takes the work over
                await asyncio.wait({task}, timeout=timeout)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for queue in self._queues:
            queue.fail(NotStored("the ledger was closed"))

    async def _run(self) -> None:
        while True:
            if not any(queue.entries for queue in self._queues):
                if not self.open:
                    return
                self.wake.clear()
                await self.wake.wait()
            if not self.link.up:
                self._fail_impatient(NotStored("the database is away"))
                await self.link.wait_up()
            for queue in self._queues:
                if queue.entries and not (queue.in_no_hurry and self._others_wait(queue)):
                    for _ in range(ROUNDS):
                        await asyncio.sleep(0)
                    await self._flush(queue, queue.take())

    def _others_wait(self, queue: Queue[Any, Any]) -> bool:
        return any(other.entries and not other.kind.yields for other in self._queues if other is not queue)

    def _fail_impatient(self, error: LedgerError) -> None:
        for queue in self._queues:
            if not queue.kind.patient:
                queue.fail(error)

    async def _flush(self, queue: Queue[Any, Any], batch: list[Entry[Any, Any]]) -> None:
        try:
            results = await self._store(queue.kind, [entry.item for entry in batch])
        except LedgerRejected as error:
            await self._reject(queue, batch, error)
        except LedgerUnavailable as error:
            if not queue.kind.patient:
                self._settle_all(batch, error)
                return
            queue.put_back(batch)
            if self.link.up:
                await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            self._settle_all(batch, LedgerUnavailable("the ledger was closed"))
            raise
        except Exception as error:  # noqa: BLE001 - a fault of one batch must not end the flusher
            fault = error if isinstance(error, LedgerError) else LedgerError(f"a flush failed: {type(error).__name__}")
            fault.__cause__ = error if fault is not error else error.__cause__
            self._settle_all(batch, fault)
        else:
            self._settle(queue, batch, results)

    async def _reject(self, queue: Queue[Any, Any], batch: list[Entry[Any, Any]], error: LedgerRejected) -> None:
        """Find the row that is to blame: it fails alone."""
        if len(batch) > 1:
            for entry in batch:
                await self._flush(queue, [entry])
            return
        if not isinstance(error, DayMissing):  # its data is sound: its day is over, or was never made
            self._stats.rejected[queue.kind.name] += 1
        batch[0].settle(error)

    async def _store(self, kind: Kind[Any, Any], items: list[Any]) -> Sequence[Any]:
        self._stats.batches[kind.name] += 1
        for _ in range(REPEATS):
            try:
                return await kind.flush(self.link, items)
            except LedgerConflict:
                self._stats.conflicts += 1
        raise LedgerUnavailable("the same deadlock came again and again")

    def _settle(self, queue: Queue[Any, Any], batch: list[Entry[Any, Any]], results: Sequence[Any]) -> None:
        self._stats.rows[queue.kind.name] += len(batch)
        queue.sizes.observe(len(batch))
        for entry, result in zip(batch, results, strict=True):
            if result is AGAIN:
                queue.entries.append(entry)
            else:
                entry.settle(result)

    @staticmethod
    def _settle_all(batch: Sequence[Entry[Any, Any]], error: LedgerError) -> None:
        for entry in batch:
            entry.settle(error)
