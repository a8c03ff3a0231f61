"""The other side, in a process of its own: the callers, the service and the webhook.

Each caller sends a request, waits for the 202, waits until its message has arrived at the webhook, and begins again.
The process is told what to do by lines of JSON on its standard input, and answers each with one line.
"""

import argparse
import asyncio
import json
import os
import sys
from itertools import count
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.bodies import IDENT, ident_of, request_body, result_body
from benchmarks.summary import percentile
from benchmarks.wire import Client, Pool, Served, WireError, field

ACCEPTED = 202
PATIENCE = 30.0
"""Seconds after which a message counts as missing."""

_TOOK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_THANKS = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_WRONG = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


class Counts:
    """What happened since the last look; times in seconds."""

    def __init__(self) -> None:
        self.began = perf_counter()
        self.accepts: list[float] = []
        self.jobs: list[float] = []
        self.refused = self.wrong = self.missing = self.unexpected = 0

    def report(self) -> dict[str, Any]:
        """Sum up."""
        accepts, jobs = sorted(self.accepts), sorted(self.jobs)
        return {
            "seconds": perf_counter() - self.began,
            "completed": len(jobs),
            "accept_p50": percentile(accepts, 50),
            "accept_p95": percentile(accepts, 95),
            "accept_p99": percentile(accepts, 99),
            "job_p50": percentile(jobs, 50),
            "job_p95": percentile(jobs, 95),
            "job_p99": percentile(jobs, 99),
            "refused": self.refused,
            "wrong": self.wrong,
            "missing": self.missing,
            "unexpected": self.unexpected,
        }


class Peer:
    """Callers, service and webhook."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._counts = Counts()
        self._numbers = count()
        self._total = 0
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._callers: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._pools: dict[int, Pool] = {}
        self._running = False
        self._webhook = 0

    async def listen(self) -> dict[str, int]:
        """Open the service and the webhook; returns their ports."""
        loop = asyncio.get_running_loop()
        ports = {}
        for name, answer in (("service", self._serve), ("webhook", self._receive)):
            server = await loop.create_server(lambda answer=answer: Served(answer), "127.0.0.1", 0)  # type: ignore[misc]
            ports[name] = server.sockets[0].getsockname()[1]
        self._webhook = ports["webhook"]
        return ports

    async def start(self, port: int, clients: int) -> None:
        """Begin to load the gateway at ``port``."""
        self._running = True
        self._counts = Counts()
        connections = [await Client.connect(port) for _ in range(clients)]
        self._callers = [asyncio.create_task(self._call(connection, port)) for connection in connections]

    def mark(self) -> dict[str, Any]:
        """Report what happened since the last mark, and begin anew."""
        counts, self._counts = self._counts, Counts()
        return counts.report()

    @property
    def total(self) -> int:
        """Completed jobs, all told."""
        return self._total

    async def stop(self) -> dict[str, Any]:
        """Let the callers finish what they began."""
        self._running = False
        await asyncio.gather(*self._callers)
        for pool in self._pools.values():
            pool.close()
        return self.mark()

    async def _call(self, connection: Client, port: int) -> None:
        try:
            while self._running:
                await self._one_job(connection, port)
        finally:
            connection.close()

    async def _one_job(self, connection: Client, port: int) -> None:
        ident = b"%0*d" % (IDENT, next(self._numbers))
        arrived = self._waiting[ident] = asyncio.get_running_loop().create_future()
        began = perf_counter()
        try:
            status, _ = await connection.request(self._request(ident, port))
            if status != ACCEPTED:
                self._counts.refused += 1
                return
            self._counts.accepts.append(perf_counter() - began)
            async with asyncio.timeout(PATIENCE):
                await arrived
            self._counts.jobs.append(perf_counter() - began)
            self._total += 1
        except TimeoutError:
            self._counts.missing += 1
        finally:
            del self._waiting[ident]

    def _request(self, ident: bytes, port: int) -> bytes:
        return b"".join(
            (
                b"POST /bench HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n" % port,
                b"accept: application/json\r\nuser-agent: Synapse-PT-HttpComponents-NIO\r\n",
                b"callback-url: http://127.0.0.1:%d/hooks/1.0/%s\r\n" % (self._webhook, ident),
                b"x-correlation-id: bench-%s\r\ncontent-length: %d\r\n\r\n" % (ident, self._size),
                request_body(ident, self._size),
            )
        )

    def _serve(self, head: bytes, body: bytes) -> bytes:
        """The service: take the call, and call back soon."""
        ident, callback = ident_of(body), field(head, b"callback-url")
        if callback is None or body != request_body(ident, self._size):
            self._counts.wrong += 1
            return _WRONG
        task = asyncio.get_running_loop().create_task(self._call_back(callback, ident))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return _TOOK

    async def _call_back(self, callback: bytes, ident: bytes) -> None:
        url = urlsplit(callback.decode())
        port = url.port or 80
        pool = self._pools.setdefault(port, Pool(port))
        message = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n" % (
            url.path.encode(),
            port,
        )
        message += b"content-length: %d\r\n\r\n" % self._size + result_body(ident, self._size)
        try:
            status, _ = await pool.request(message)
        except (WireError, OSError):
            status = 0  # its job will be missing
        if status != ACCEPTED:
            self._counts.refused += status != 0

    def _receive(self, head: bytes, body: bytes) -> bytes:
        """The webhook."""
        ident = head[: head.find(b" HTTP/1.1\r\n")].rpartition(b"/")[2]
        arrived = self._waiting.get(ident)
        if arrived is None or arrived.done():
            self._counts.unexpected += 1
        elif body != result_body(ident, self._size):
            self._counts.wrong += 1
        else:
            arrived.set_result(None)
        return _THANKS


async def obey(peer: Peer) -> None:
    """Do what standard input says until it ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb"))
    _tell(await peer.listen())
    while line := await orders.readline():
        order = json.loads(line)
        match order["do"]:
            case "start":
                await peer.start(order["port"], order["clients"])
                _tell({})
            case "mark":
                _tell(peer.mark())
            case "total":
                _tell({"total": peer.total})
            case "stop":
                _tell(await peer.stop())


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="bytes of each body")
    options = parser.parse_args()
    uvloop.run(obey(Peer(options.size)))


if __name__ == "__main__":
    main()
