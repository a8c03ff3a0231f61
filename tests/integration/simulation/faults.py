"""Faults: answers that never come, and processes that end in the middle of everything."""

import random

from sidecar.ledger import Ledger
from sidecar.ledger.link import Link, Rows
from sidecar.model.errors import LedgerUnavailable

SHARE = 0.02  # of statements on the flushers' connections


class LossyLink:
    """Runs a statement and loses the connection before the answer: the commit happened, and nobody knows."""

    def __init__(self, link: Link, rng: random.Random) -> None:
        self._link = link
        self._rng = rng
        self.calm = False
        self.lost = 0

    @property
    def up(self) -> bool:
        return self._link.up

    @property
    def name(self) -> str:
        return self._link.name

    async def wait_up(self) -> None:
        await self._link.wait_up()

    async def open(self) -> None:
        await self._link.open()

    async def close(self) -> None:
        await self._link.close()

    async def fetch(self, query: str, *args: object) -> Rows:
        rows = await self._link.fetch(query, *args)
        if not self.calm and self._rng.random() < SHARE:
            self.lost += 1
            self._link._drop(self._link._connection)
            raise LedgerUnavailable("the answer was lost")
        return rows


def links(ledger: Ledger) -> list[LossyLink]:
    return [lane.link for lane in (ledger._hot, ledger._large) if isinstance(lane.link, LossyLink)]


async def abandon(ledger: Ledger) -> None:
    """End a ledger as kill -9 would: connections break, nothing is said to the database."""
    ledger._ownership.worker = 0  # so that stopping says no good-bye
    inner = [link._link for link in links(ledger)] + [ledger._beat_link, *ledger._pool._links]
    for link in inner:
        link._closed = True
        connection, link._connection = link._connection, None
        if connection is not None:
            connection.terminate()
    for lane in (ledger._hot, ledger._large):
        await lane.stop(timeout=0.0)
    await ledger.stop()
