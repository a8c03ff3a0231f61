"""Fetch due work that nobody owns, fairly: a few rows of each key that has free places."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sidecar.kit.lanes import Lanes
from sidecar.ledger import WorkPage

T = TypeVar("T")
Made_co = TypeVar("Made_co", covariant=True)


Gate = Callable[[str, int], Awaitable[int]]
"""Tells how many of the free places of a key may be used now."""


async def open_gate(key: str, free: int) -> int:  # noqa: ARG001 - the interface of gates
    """Let all through."""
    return free


class Source(Protocol[Made_co]):
    """Where unowned work lies."""

    async def keys_with_work(self, after: str) -> WorkPage:
        """Return keys greater than ``after`` that have due work, a page of them."""

    async def claim(self, free: Mapping[str, int]) -> Sequence[Made_co]:
        """Own up to so many rows of each key."""


class Sink(Protocol[T]):
    """Where work is done."""

    @property
    def lanes(self) -> Lanes[str, T]:
        """The lanes that bound the work."""

    def start(self, work: Sequence[T]) -> None:
        """Take on owned work."""


class Claim(Generic[T]):
    """Claim once: look which keys have work, and take what their lanes can begin.

    Args:
        source: The ledger's side.
        sink: The stage's side.
        gate: What else bounds the claims of a key.
    """

    def __init__(self, source: Source[T], sink: Sink[T], *, gate: Gate = open_gate) -> None:
        self._source = source
        self._sink = sink
        self._gate = gate
        self._cursor = ""

    async def run_once(self) -> bool:
        """Claim what fits, from one page of keys; true when there are further pages.

        Keys that may have more are marked, so that their lanes call when they have room.
        """
        page = await self._source.keys_with_work(self._cursor)
        self._cursor = page.cursor or ""
        lanes = self._sink.lanes
        free = await _share(lanes, page.names, self._gate)
        work = await self._source.claim(free) if free else ()
        self._sink.start(work)
        for key in page.names:
            lanes.more_waits(key)
        return bool(self._cursor)


async def _share(lanes: Lanes[str, Any], keys: Sequence[str], gate: Gate) -> dict[str, int]:
    """Give each key its free places, as far as the places of all lanes together reach."""
    free: dict[str, int] = {}
    left = lanes.spare
    for key in keys:
        places = await gate(key, min(lanes.free(key), left))
        if places > 0:
            free[key] = places
            left -= places
    return free
