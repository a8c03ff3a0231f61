"""The service and the webhook of the run with one large result, in a process of their own.

It is told by lines of JSON on its standard input to call back with so many blocks, and answers when its webhook has
the message.
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop
from aiohttp import ClientSession, web

CHUNK = 64 * 1024
ACCEPTED = 202
PATIENCE = 300.0
"""Seconds after which a message counts as missing."""


class LargePeer:
    """Takes calls, calls back with much, takes the message."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._calls: asyncio.Queue[str] = asyncio.Queue()
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve both: what has a callback-url is a call of the service."""
        body = await request.read()
        callback = request.headers.get("callback-url")
        if callback is not None:
            self._calls.put_nowait(callback)
            return web.Response(status=202)
        self._messages.put_nowait(json.loads(body))
        return web.Response(status=200)

    async def round(self, session: ClientSession, *, gateway: str, own: str, blocks: int) -> dict[str, Any]:
        """Send a request, call back, and compare what the webhook is told with what was sent."""
        async with session.post(gateway, data=b"{}", headers={"callback-url": f"{own}/hooks/1.0"}) as answer:
            said = await answer.text()
            if answer.status != ACCEPTED:
                raise RuntimeError(f"the sidecar answered {answer.status}: {said}")
        callback = await self._calls.get()
        size = len(self._block) * blocks
        headers = {"content-type": "application/json", "content-length": str(size)}
        began = monotonic()
        async with session.post(callback, data=self._pieces(blocks), headers=headers) as answer:
            await answer.read()
        seconds = monotonic() - began
        async with asyncio.timeout(PATIENCE):
            message = await self._messages.get()
        told = (message.get("size"), message.get("sha256"))
        return {"seconds": seconds, "bytes": size, "right": told == (size, self._digest(blocks))}

    async def _pieces(self, blocks: int) -> AsyncIterator[bytes]:
        for _ in range(blocks):
            for start in range(0, len(self._block), CHUNK):
                yield self._block[start : start + CHUNK]

    def _digest(self, blocks: int) -> str:
        digest = hashlib.sha256()
        for _ in range(blocks):
            digest.update(self._block)
        return digest.hexdigest()


async def obey(block: bytes) -> None:
    """Do what standard input says until it ends."""
    peer = LargePeer(block)
    runner = web.ServerRunner(web.Server(peer.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb"))
    own = f"http://127.0.0.1:{runner.addresses[0][1]}"
    _tell({"url": own})
    async with ClientSession() as session:
        while line := await orders.readline():
            order = json.loads(line)
            gateway = f"http://127.0.0.1:{order['port']}/bench"
            _tell(await peer.round(session, gateway=gateway, own=own, blocks=order["blocks"]))


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("block", type=Path, help="file with what is sent, again and again")
    options = parser.parse_args()
    uvloop.run(obey(options.block.read_bytes()))


if __name__ == "__main__":
    main()
