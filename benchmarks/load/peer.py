"""The other side, in a process of its own: the callers, the service and the webhook.

A caller sends a request, waits for the 202, and waits until its messages have arrived at the webhook. So many callers
do that over and over (``clients``), or a new one comes at even intervals, whatever became of the others (``rate``).
The process is told what to do by lines of JSON on its standard input, and answers each with one line.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

import uvloop

from benchmarks.load.bodies import IDENT, request_message
from benchmarks.load.counts import Counts, Job
from benchmarks.load.offer import PATIENCE, Load
from benchmarks.load.service import Service
from benchmarks.load.webhook import Webhook
from benchmarks.load.wire import Client, Pool, WireError, request_any

Send = Callable[[bytes], Awaitable[tuple[int, bytes]]]

ACCEPTED = 202


class Peer:
    """Callers, service and webhook."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._numbers = count()
        self._total = 0
        self._jobs: list[Job] = []
        self._callers: set[asyncio.Task[None]] = set()
        self._running = False
        self._load = Load((), ())
        self._pools: dict[int, Pool] = {}
        self._webhook = Webhook()
        self._service = Service(self._pool)

    async def listen(self) -> dict[str, int]:
        """Open the service and the webhook; returns their ports."""
        return {"service": await self._service.open(), "webhook": await self._webhook.open()}

    async def start(self, load: Load) -> None:
        """Begin to offer load."""
        self._running, self._load = True, load
        self._jobs = []
        self._renew()
        if load.rate:
            self._add(self._come())
        for number in range(load.clients):
            connection = await Client.connect(load.gateways[number % len(load.gateways)])
            self._add(self._return(connection))

    def mark(self) -> dict[str, Any]:
        """Report what happened since the last mark, and begin anew."""
        counts = self._counts
        self._renew()
        return counts.report()

    @property
    def total(self) -> int:
        """Completed jobs, all told."""
        return self._total

    def jobs(self) -> list[tuple[float, float | None, float | None, bool]]:
        """List the jobs that came at intervals: when each began, was answered, was done; whether it ended."""
        return [(job.began, job.accepted, job.done, job.ended) for job in self._jobs]

    async def away(self, what: str, *, gone: bool) -> None:
        """Let the service or the webhook refuse connections, or come back."""
        place = self._webhook if what == "webhook" else self._service
        await (place.close() if gone else place.open())

    async def stop(self) -> dict[str, Any]:
        """Let the callers finish what they began."""
        self._running = False
        while self._callers:
            await asyncio.wait(self._callers)
        for pool in self._pools.values():
            pool.close()
        return self.mark()

    def _renew(self) -> None:
        self._counts = Counts()
        self._service.begin(self._load, self._counts)
        self._webhook.begin(self._load, self._counts)

    def _add(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)

    async def _return(self, connection: Client) -> None:
        """Be one caller, who comes back once he has his result."""
        try:
            while self._running:
                await self._one_job(Job(monotonic(), self._load.services), connection.request)
        finally:
            connection.close()

    async def _come(self) -> None:
        """Let callers come at even intervals; one that is late counts from when he should have come."""
        began = monotonic()
        for number in count():
            due = began + number / self._load.rate
            await asyncio.sleep(max(0.0, due - monotonic()))
            if not self._running:
                return
            job = Job(due, self._load.services)
            self._jobs.append(job)
            pools = [self._pool(port) for port in self._load.gateways_from(number)]
            self._add(self._one_job(job, partial(request_any, pools)))

    async def _one_job(self, job: Job, send: Send) -> None:
        ident = b"%0*d" % (IDENT, next(self._numbers))
        arrived = self._webhook.expect(ident, job)
        try:
            load = self._load
            message = request_message(ident, path=load.path, webhook=self._webhook.port, size=load.size)
            status, _ = await send(message)
            if status != ACCEPTED:
                self._counts.refused += 1
                return
            self._counts.accepted(job)
            async with asyncio.timeout(PATIENCE):
                await arrived
            self._counts.completed(job)
            self._total += 1
        except TimeoutError:
            self._counts.missing += 1
        except (WireError, OSError):
            self._counts.refused += 1
        finally:
            job.ended = True
            self._webhook.forget(ident)

    def _pool(self, port: int) -> Pool:
        return self._pools.setdefault(port, Pool(port))


async def obey(peer: Peer) -> None:
    """Do what standard input says until it ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb"))
    _tell(await peer.listen())
    while line := await orders.readline():
        order = json.loads(line)
        match order.pop("do"):
            case "start":
                gateways, callbacks = tuple(order.pop("gateways")), tuple(order.pop("callbacks"))
                await peer.start(Load(gateways, callbacks, **order))
                _tell({})
            case "away":
                await peer.away(order["what"], gone=order["gone"])
                _tell({})
            case "mark":
                _tell(peer.mark())
            case "total":
                _tell({"total": peer.total})
            case "jobs":
                _tell({"jobs": peer.jobs()})
            case "stop":
                _tell(await peer.stop())


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(obey(Peer()))
