"""What the pieces of one body are gathered in: memory up to a threshold, beyond it whatever a stage opens for them."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Sink(Protocol[T_co]):
    """Where a large body goes, piece by piece."""

    async def write(self, chunk: bytes, /) -> None:
        """Take the next piece; waits while there is no room."""

    async def finish(self) -> T_co:
        """Take note of the end; tell what became of the body."""

    async def abort(self) -> None:
        """Forget all that was written; does nothing when it is over."""


OpenSink = Callable[[], Awaitable[Sink[T]]]
"""Opens a sink for a large body, or refuses it before it is read."""


class Basket(Generic[T]):
    """Takes pieces.

    Args:
        threshold: Most bytes that stay in memory.
        beyond: Opens what takes larger bodies.
        count: Is told the size of each piece before it is kept in memory, and may refuse it.
    """

    def __init__(self, threshold: int, beyond: OpenSink[T] | None, count: Callable[[int], None] | None = None) -> None:
        self._threshold = threshold
        self._beyond = beyond
        self._count = count
        self._parts: list[bytes] = []
        self._size = 0
        self._sink: Sink[T] | None = None

    def keeps(self, size: int) -> bool:
        """Tell whether a whole body of ``size`` bytes would stay in memory."""
        return self._sink is None and (self._beyond is None or size <= self._threshold)

    async def open(self) -> None:
        """Open the sink at once: the body is known to be large."""
        if self._beyond is not None and self._sink is None:
            self._sink = await self._beyond()

    async def take(self, piece: bytes) -> None:
        """Take the next piece."""
        if self._sink is not None:
            await self._sink.write(piece)
            return
        if self._count is not None:
            self._count(len(piece))
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > self._threshold and self._beyond is not None:
            await self.open()
            parts, self._parts = self._parts, []
            for part in parts:
                await self.take(part)

    async def end(self) -> bytes | T:
        """Tell the whole body, or what became of it."""
        if self._sink is not None:
            return await self._sink.finish()
        return b"".join(self._parts)

    async def abort(self) -> None:
        """Forget everything."""
        self._parts.clear()
        if self._sink is not None:
            await self._sink.abort()
