"""Fetch due work that nobody owns, fairly: a few rows of each key that has free places."""

import random
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

    What is claimed and waits in memory is bounded: of one key twice its places, and of all keys together six times the
    places of all. Four times, because twice is shared (``Lanes.spare``), which counts the queue of a lane by half if
    nothing of it runs; and twice for keys that had nothing here and get one row each (``Lanes.newcomers``). What two
    sources of one sink take in the same moment adds up.

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
        """Claim what fits, from one page of keys; true when there are further pages, and room.

        Keys that may have more are marked, so that their lanes call when they have room. The next look goes on with
        the next page, so that each page has its turn where there is never room for all.
        """
        page = await self._source.keys_with_work(self._cursor)
        self._cursor = page.cursor or ""
        lanes = self._sink.lanes
        free = await _share(lanes, page.names, self._gate)
        work = await self._source.claim(free) if free else ()
        self._sink.start(work)
        for key in page.names:
            lanes.more_waits(key)
        return bool(self._cursor) and lanes.spare + lanes.newcomers > 0


async def _share(lanes: Lanes[str, Any], keys: Sequence[str], gate: Gate) -> dict[str, int]:
    """Give each key of its free places an even share of the room that all lanes have together.

    A key that has nothing waiting gets one row even if there is none, and takes its turn among the lanes.
    """
    shares: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for key in keys:
        free = lanes.free(key)
        places = await gate(key, free)
        if places > free:
            shares[key] = places  # a probe: its lease is taken
        elif places > 0:
            wanted[key] = places
    shares |= spread(wanted, max(0, lanes.spare - sum(shares.values())))
    newcomers = [key for key in shares if not shares[key] and lanes.idle(key)]
    shares |= dict.fromkeys(newcomers[: lanes.newcomers], 1)
    return {key: share for key, share in shares.items() if share}


def spread(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Share ``room`` as evenly as it goes, nobody more than is wanted; a lot decides who gets what does not divide."""
    keys = random.sample(list(wanted), k=len(wanted))  # shares are alike, whatever the names
    keys.sort(key=wanted.__getitem__)
    shares: dict[str, int] = {}
    for place, key in enumerate(keys):
        shares[key] = min(wanted[key], room // (len(keys) - place))
        room -= shares[key]
    return shares
