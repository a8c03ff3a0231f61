"""Lanes: bounded concurrency for each key, so that one slow key holds up nobody else."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    queue: deque[T] = field(default_factory=deque)
    running: int = 0
    backlog: bool = False  # more of this key waits elsewhere


class Lanes(Generic[K, T]):
    """Run items of each key with at most ``per_key`` at once, ``total`` over all keys, in order of arrival.

    A runner task takes one item after the other from its lane, so that a busy lane costs no task an item. Items of
    a lane that has no free place wait in its queue; ``full_keys`` names the lanes whose queue has reached
    ``queue_limit``: whoever makes work should then leave it where it is, say so with ``more_waits``, and is
    called back (``on_room``) when the lane has room again.

    Args:
        run: Handles one item. It must not raise: whatever it raises ends the process's background work.
        per_key: Places of one lane.
        total: Places over all lanes.
        queue_limit: Waiting items at which a lane counts as full.
        on_room: Called when a lane with work waiting elsewhere has room again.
        speed: Places of one lane at this moment, if they are fewer than ``per_key``; 0 lets nothing begin.
    """

    def __init__(
        self,
        run: Callable[[T], Awaitable[None]],
        *,
        per_key: int,
        total: int,
        queue_limit: int,
        on_room: Callable[[], None] = lambda: None,
        speed: Callable[[K], int] | None = None,
    ) -> None:
        self._run = run
        self._per_key = per_key
        self._speed = speed
        self._total = total
        self._queue_limit = queue_limit
        self._on_room = on_room
        self._lanes: dict[K, _Lane[T]] = {}
        self._starved: dict[K, None] = {}  # lanes that wait for a place of the total, oldest first
        self._full: dict[K, None] = {}
        self._running = 0
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # asking for it costs a system call on Python 3.11

    @property
    def running(self) -> int:
        """How many items are being handled."""
        return self._running

    @property
    def queued(self) -> int:
        """How many items wait in the queues."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    @property
    def spare(self) -> int:
        """How many items all lanes together can start at once or soon.

        What waits in a lane counts up to the lane's places: the backlog of one key is nobody else's.
        """
        waiting = sum(min(len(lane.queue), self._places(key)) for key, lane in self._lanes.items() if lane.queue)
        return max(0, 2 * self._total - self._running - waiting)

    @property
    def newcomers(self) -> int:
        """How many lanes that are ``idle`` may be given an item although nothing is spare, so that they get a turn.

        None once there are two lanes for each place of the total.
        """
        return max(0, 2 * self._total - len(self._lanes))

    def idle(self, key: K) -> bool:
        """Tell whether a lane has nothing waiting, and could begin something if a place of the total were free."""
        lane = self._lanes.get(key)
        running = 0 if lane is None else lane.running
        return running < self._places(key) and (lane is None or not lane.queue)

    def empty(self, key: K) -> bool:
        """Tell whether nothing of a lane runs or waits."""
        return key not in self._lanes

    def full_keys(self) -> list[K]:
        """Name the lanes that should be given nothing more; each is marked as having work elsewhere."""
        for key in self._full:
            self._lanes[key].backlog = True
        return list(self._full)

    def free(self, key: K) -> int:
        """Tell how many items a lane can start at once or soon; 0 when its queue holds as many as it has places."""
        lane = self._lanes.get(key)
        places = self._places(key)
        if lane is None:
            return places
        return max(0, 2 * places - lane.running - len(lane.queue))

    def has_room(self, key: K) -> bool:
        """Tell whether a lane still takes work."""
        return key not in self._full

    def more_waits(self, key: K) -> None:
        """Ask for a call of ``on_room`` when this lane has room."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.backlog = True

    def put(self, key: K, item: T) -> None:
        """Hand in one item; it starts at once when there is a place. Work that is owned is never refused."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        places = self._places(key)
        if lane.running < places and self._running < self._total and not lane.queue and not self._closed:
            self._start(key, lane, item)
            return
        lane.queue.append(item)
        if len(lane.queue) >= self._queue_limit:
            self._full[key] = None
        if lane.running < places:
            self._starved[key] = None
            self._feed()

    def wake(self) -> None:
        """Look at all lanes again: ``speed`` lets some begin that had to wait, and no runner of theirs would tell."""
        for key, lane in self._lanes.items():
            if lane.queue and lane.running < self._places(key):
                self._starved[key] = None
        self._feed()

    async def failed(self) -> None:
        """Return never; raise what a runner raised, as soon as one does."""
        if self._failure is None:
            self._failure = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._failure)

    def take_queued(self) -> list[T]:
        """Empty the queues, for a shutdown: the items that were not begun."""
        items = [item for lane in self._lanes.values() for item in lane.queue]
        for lane in self._lanes.values():
            lane.queue.clear()
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.running}
        self._starved.clear()
        self._full.clear()
        return items

    def take_lane(self, key: K) -> list[T]:
        """Empty the queue of one lane, which is not to be served any more: the items that were not begun."""
        lane = self._lanes.get(key)
        if lane is None:
            return []
        items = list(lane.queue)
        lane.queue.clear()
        self._starved.pop(key, None)
        self._full.pop(key, None)
        if not lane.running:
            del self._lanes[key]
        return items

    async def drain(self, within: float) -> None:
        """Wait until nothing runs any more, at most ``within`` seconds; then begin nothing, and cancel what runs."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while self._tasks and (left := end - loop.time()) > 0:  # what is put meanwhile is begun, and waited for too
            await asyncio.wait(self._tasks, timeout=left)
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _places(self, key: K) -> int:
        return self._per_key if self._speed is None else min(self._per_key, self._speed(key))

    def _start(self, key: K, lane: _Lane[T], item: T) -> None:
        lane.running += 1
        self._running += 1
        self._loop = self._loop or asyncio.get_running_loop()
        task = self._loop.create_task(self._runner(key, lane, item))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if self._failure is None:
                self._failure = asyncio.get_running_loop().create_future()
            if not self._failure.done():
                self._failure.set_exception(error)

    async def _runner(self, key: K, lane: _Lane[T], item: T) -> None:
        try:
            await self._run(item)
            # A lane hands its place on once others wait for one, or once it may have more; else it keeps it.
            while lane.queue and not self._starved and not self._closed and lane.running == self._places(key):
                await self._run(self._next(key, lane))
        finally:
            lane.running -= 1
            self._running -= 1
            self._refill(key, lane)

    def _refill(self, key: K, lane: _Lane[T]) -> None:
        if lane.queue and lane.running < self._places(key):
            self._starved[key] = None
        self._feed()
        if lane.backlog and not lane.queue:
            lane.backlog = False
            self._on_room()
        if not lane.running and not lane.queue:
            self._lanes.pop(key, None)

    def _feed(self) -> None:
        """Begin what waits for a place of the total, each lane in its turn."""
        while self._starved and self._running < self._total and not self._closed:
            waiting = next(iter(self._starved))
            del self._starved[waiting]
            other = self._lanes[waiting]
            if other.queue and other.running < (places := self._places(waiting)):
                self._start(waiting, other, self._next(waiting, other))
                if other.queue and other.running < places:
                    self._starved[waiting] = None

    def _next(self, key: K, lane: _Lane[T]) -> T:
        item = lane.queue.popleft()
        if key in self._full and len(lane.queue) <= self._queue_limit // 2:
            del self._full[key]
        if lane.backlog and len(lane.queue) <= self._per_key:
            lane.backlog = False
            self._on_room()
        return item
