"""Lanes whose items end when the test says so."""

import asyncio
from collections import Counter

from sidecar.kit.lanes import Lanes

Item = tuple[str, int]


class Bench:
    """Lanes whose items end when the test says so."""

    def __init__(self, *, per_key: int = 2, total: int = 3, queue_limit: int = 4) -> None:
        self.per_key, self.total, self.queue_limit = per_key, total, queue_limit
        self.running: dict[Item, asyncio.Future[None]] = {}
        self.given: list[Item] = []
        self.begun: list[Item] = []
        self.rooms = 0
        self.lanes: Lanes[str, Item] = Lanes(
            self._run, per_key=per_key, total=total, queue_limit=queue_limit, on_room=self._room
        )

    async def _run(self, item: Item) -> None:
        self.begun.append(item)
        future = self.running[item] = asyncio.get_running_loop().create_future()
        try:
            await future
        finally:
            del self.running[item]
            self.check()

    def _room(self) -> None:
        self.rooms += 1

    async def put(self, key: str, count: int = 1) -> None:
        for _ in range(count):
            item = (key, sum(key == other for other, _ in self.given))
            self.given.append(item)
            self.lanes.put(key, item)
        await self.settle()

    async def end(self, *items: Item) -> None:
        for item in items:
            self.running[item].set_result(None)
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that needs no more than the loop's turns."""
        for _ in range(6):
            await asyncio.sleep(0)
        self.check()

    def check(self) -> None:
        counts = Counter(key for key, _ in self.running)
        assert len(self.running) <= self.total
        assert all(count <= self.per_key for count in counts.values())

    def is_busy(self) -> bool:
        """Every place that could be used is used."""
        counts = Counter(key for key, _ in self.running)
        waiting = {key for key, lane in self.lanes._lanes.items() if lane.queue}
        return len(self.running) == self.total or all(counts[key] == self.per_key for key in waiting)

    async def end_all(self) -> None:
        while self.running:
            await self.end(*self.running)


class Speeds(Bench):
    """Lanes whose keys may be slowed down; nothing has a speed of its own at first."""

    def __init__(self, *, per_key: int = 4, total: int = 9) -> None:
        super().__init__(per_key=per_key, total=total)
        self.speeds: dict[str, int] = {}
        self.lanes = Lanes(
            self._run, per_key=per_key, total=total, queue_limit=4, on_room=self._room, speed=self._speed
        )

    def _speed(self, key: str) -> int:
        return self.speeds.get(key, self.per_key)
