"""The connections for claims, duties and reads."""

import asyncio

from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.link import Link, Rows
from sidecar.ledger.stats import LedgerStats


class LinkPool:
    """A few links, opened at first use; the one that was used last is used next.

    A pool of the driver would send a reset of four statements at each release; these links keep nothing to reset.
    """

    def __init__(self, config: LedgerConfig, stats: LedgerStats) -> None:
        self._links = [
            Link(config, stats, name=f"{config.application} {number}") for number in range(max(config.pool, 1))
        ]
        self.waiting = 0
        """Statements that wait for a free link."""
        self._free: asyncio.LifoQueue[Link] = asyncio.LifoQueue()
        for link in reversed(self._links):
            self._free.put_nowait(link)

    @property
    def size(self) -> int:
        """How many links there are."""
        return len(self._links)

    @property
    def in_use(self) -> int:
        """How many links run a statement."""
        return len(self._links) - self._free.qsize()

    async def fetch(self, query: str, *args: object) -> Rows:
        """Run one statement on a free link.

        Raises:
            LedgerError: As :meth:`sidecar.ledger.link.Link.fetch`.
        """
        self.waiting += 1
        try:
            link = await self._free.get()
        finally:
            self.waiting -= 1
        try:
            return await link.fetch(query, *args)
        finally:
            self._free.put_nowait(link)

    async def close(self) -> None:
        """Close all links."""
        await asyncio.gather(*(link.close() for link in self._links))
