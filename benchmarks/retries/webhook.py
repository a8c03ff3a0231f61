"""A webhook in a process of its own, that takes everything and tells when it has taken enough.

It is told how many messages to wait for by lines of JSON on its standard input.
"""

import asyncio
import json
import os
import sys
from time import monotonic

import uvloop

from benchmarks.load.wire import Served, field

PATIENCE = 300.0
"""Seconds after which messages count as missing."""

_THANKS = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Webhook:
    """Counts messages by their ids."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._doubled = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    def receive(self, head: bytes, _body: bytes) -> bytes:
        """Take a message."""
        ident = field(head, b"webhook-id") or b""
        if ident in self._seen:
            self._doubled += 1
        self._seen.add(ident)
        if len(self._seen) == self._wanted:
            self._enough.set()
        return _THANKS

    async def wait(self, wanted: int) -> dict[str, float]:
        """Wait for so many messages since the last time; ``at`` is of the clock that all processes share."""
        self._wanted = wanted
        try:
            async with asyncio.timeout(PATIENCE):
                if len(self._seen) < wanted:
                    await self._enough.wait()
        except TimeoutError:
            pass  # what is missing is told
        answer = {"at": monotonic(), "missing": wanted - len(self._seen), "doubled": self._doubled}
        self._seen.clear()
        self._enough.clear()
        self._doubled = 0
        return answer


async def obey(webhook: Webhook) -> None:
    """Wait as standard input says until it ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Served(webhook.receive), "127.0.0.1", 0)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb"))
    _tell({"port": server.sockets[0].getsockname()[1]})
    while line := await orders.readline():
        _tell(await webhook.wait(json.loads(line)["count"]))


def _tell(answer: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(obey(Webhook()))
