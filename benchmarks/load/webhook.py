"""The webhook of the load generator: it knows which messages are to come."""

import asyncio

from benchmarks.load.bodies import result_body
from benchmarks.load.counts import Counts, Job
from benchmarks.load.offer import Load
from benchmarks.load.wire import Place, field

_THANKS = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Webhook(Place):
    """Takes messages and wakes who waits for them."""

    def __init__(self) -> None:
        super().__init__(self._take)
        self._load = Load((), ())
        self._counts = Counts()
        self._waiting: dict[bytes, tuple[Job, asyncio.Future[None]]] = {}

    def begin(self, load: Load, counts: Counts) -> None:
        """Expect messages of this load, and count there."""
        self._load, self._counts, self.takes = load, counts, load.webhook_takes

    def expect(self, ident: bytes, job: Job) -> "asyncio.Future[None]":
        """Expect a job's messages; the future is done when all of them are there."""
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[ident] = job, arrived
        return arrived

    def forget(self, ident: bytes) -> None:
        """Expect nothing more of this job."""
        del self._waiting[ident]

    def _take(self, head: bytes, body: bytes) -> bytes:
        ident = head[: head.find(b" HTTP/1.1\r\n")].rpartition(b"/")[2]
        job, arrived = self._waiting.get(ident, (None, None))
        if job is None or arrived is None or arrived.done() or self._seen(job, head):
            self._counts.unexpected += 1
        elif not self._load.link and body != result_body(ident, self._load.size):
            self._counts.wrong += 1
        elif len(job.seen) == job.messages:
            arrived.set_result(None)
        return _THANKS

    def _seen(self, job: Job, head: bytes) -> bool:
        """Note a message's id, and tell whether it was there before."""
        ident = b"" if job.messages == 1 else field(head, b"webhook-id") or b""
        known = ident in job.seen
        job.seen.add(ident)
        return known
