"""The service of the load generator: it takes the call, and calls back soon."""

import asyncio
from collections.abc import Callable
from itertools import count
from time import monotonic
from urllib.parse import urlsplit

from benchmarks.load.bodies import callback_message, ident_of, request_body
from benchmarks.load.counts import Counts
from benchmarks.load.offer import PATIENCE, Load
from benchmarks.load.wire import Place, Pool, WireError, field, request_any

ACCEPTED = 202
AGAIN = 0.25
"""Seconds after which a patient service calls back again."""

_TOOK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_WRONG = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


class Service(Place):
    """Calls back once for each call.

    Args:
        pool: Gives the connections to a port.
    """

    def __init__(self, pool: Callable[[int], Pool]) -> None:
        super().__init__(self._take)
        self._pool = pool
        self._load = Load((), ())
        self._counts = Counts()
        self._turns = count()
        self._calls: set[asyncio.Task[None]] = set()

    def begin(self, load: Load, counts: Counts) -> None:
        """Serve this load, and count there."""
        self._load, self._counts = load, counts

    def _take(self, head: bytes, body: bytes) -> bytes:
        ident, callback = ident_of(body), field(head, b"callback-url")
        if callback is None or body != request_body(ident, self._load.size):
            self._counts.wrong += 1
            return _WRONG
        task = asyncio.get_running_loop().create_task(self._call_back(urlsplit(callback).path, ident))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return _TOOK

    async def _call_back(self, path: bytes, ident: bytes) -> None:
        message = callback_message(ident, path=path, size=self._load.size)
        until = monotonic() + PATIENCE
        while (status := await self._send(message)) != ACCEPTED:
            if not self._load.patient or monotonic() > until:
                self._counts.refused += status != 0  # its job will be missing
                return
            await asyncio.sleep(AGAIN)

    async def _send(self, message: bytes) -> int:
        """Call back; returns the status, or 0."""
        ports = self._load.callbacks_from(next(self._turns))
        try:
            status, _ = await request_any(map(self._pool, ports), message)
        except (WireError, OSError):
            return 0
        return status
