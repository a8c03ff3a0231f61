"""Webhooks that do not answer as they should: each attempt is bounded and has its reason, and nothing is left open."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from sidecar.dev.ports import free_port
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.retrying import stock_route
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

MIB = 1 << 20
GIB = 1 << 30
HUGE = f"Content-Length: {GIB}\r\n\r\n".encode()
FINE = b"HTTP/1.1 204 No Content\r\n\r\n"
ROW = "SELECT state, last_reason FROM delivery WHERE job_id = $1::uuid"
HISTORY = (
    "SELECT jsonb_path_query_array(history, '$[*].reason')::text AS reasons FROM oas_webhook_retry"
    " WHERE job_id = $1::uuid"
)
Script = Callable[[asyncio.StreamWriter, asyncio.Event], Awaitable[None]]


async def late(writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    """Answer 200 when nobody waits for it any more."""
    await gone.wait()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def drip(writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    """Begin to answer, and never come to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not gone.is_set():
        writer.write(b"X-Drop: 1\r\n")
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), 0.05)


async def drip_body(writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    """Answer 503, with a body that never ends."""
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\n")
    while not gone.is_set():
        writer.write(b"a")
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), 0.05)


async def close_early(writer: asyncio.StreamWriter, _gone: asyncio.Event) -> None:
    """Go away without a word."""
    writer.transport.abort()


async def close_in_the_head(writer: asyncio.StreamWriter, _gone: asyncio.Event) -> None:
    """Go away in mid-sentence."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")


@dataclass
class Faulty:
    """A webhook whose first answer to each message is a fault, and the next one is fine."""

    script: Script = late
    port: int = field(default_factory=free_port)
    tried: Counter[str] = field(default_factory=Counter)
    written: int = 0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/crm/1.0/results"

    async def start(self) -> None:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

        self._server = await asyncio.start_server(connected, "127.0.0.1", self.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
                await reader.readexactly(int(fields["content-length"]))
                self.tried[fields["webhook-id"]] += 1
                if self.tried[fields["webhook-id"]] > 1:
                    writer.write(FINE)
                    continue
                await self._misbehave(reader, writer)
                return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sidecar ends what it has enough of
        finally:
            writer.close()

    async def _misbehave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.Event()

        async def watch() -> None:
            with suppress(ConnectionError):
                await reader.read()
            gone.set()

        watching = asyncio.create_task(watch())
        try:
            await self.script(writer, gone)
            if not writer.transport.is_closing():
                await writer.drain()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def huge(self, writer: asyncio.StreamWriter, gone: asyncio.Event, *, status: bytes) -> None:
        """Answer with a gigabyte; count what is taken of it."""
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + HUGE)
        block = b"a" * MIB
        while not gone.is_set() and self.written < GIB:
            writer.write(block)
            await writer.drain()
            self.written += len(block)


@dataclass(frozen=True, slots=True)
class Site:
    world: World
    replica: Replica
    webhook: Faulty
    dsn: str

    async def delivered(self, script: Script) -> list[str]:
        """Send a job whose message is misunderstood once; the reasons of its attempts."""
        self.webhook.script = script
        self.world.services.behaviours["stock"] = self.world.services.responds(lambda call: call.body)
        url = self.replica.ports.gateway_url + "/stock"
        answer = await self.world.submit(url, b"a result", hook=self.webhook.url)
        job_id = answer.headers["x-job-id"]

        async def over() -> dict[str, Any] | None:
            rows = await query(self.dsn, ROW, job_id)
            return rows[0] if rows and rows[0]["state"] in ("delivered", "failed") else None

        assert (await ask_until(over, "the message is delivered"))["state"] == "delivered"
        rows = await query(self.dsn, HISTORY, job_id)
        reasons: list[str] = json.loads(rows[0]["reasons"]) if rows else []
        return reasons

    def connections(self) -> int:
        """How many connections the process has with the webhook."""
        process = psutil.Process(self.replica.pid)
        return sum(bool(c.raddr) and c.raddr.port == self.webhook.port for c in process.net_connections())


@pytest.fixture
async def site(world: World, places: Places, make_replica: MakeReplica, database: str) -> AsyncIterator[Site]:
    webhook = Faulty()
    await webhook.start()
    over = {
        "webhook": {"require_https": False, "timeouts": {"connect": "3s", "total": "3s"}},
        "retry": {"base": "50ms", "cap": "100ms", "scan_interval": "20ms"},
    }
    replica = make_replica(stock_route(places), over=over)
    try:
        await replica.start()
        yield Site(world, replica, webhook, database)
    finally:
        replica.kill()
        await webhook.stop()


async def test_each_way_not_to_answer_ends_in_time_with_its_reason_and_is_tried_again(site: Site) -> None:
    assert await site.delivered(late) == ["timeout", None]
    assert await site.delivered(drip) == ["timeout", None]
    assert await site.delivered(drip_body) == ["status_503", None]
    assert await site.delivered(close_early) == ["reset", None]
    assert await site.delivered(close_in_the_head) in (["reset", None], ["bad_response", None])
    assert set(site.webhook.tried.values()) == {2}
    await wait_until(lambda: site.connections() <= 1, "no connection is left but a kept one")


async def test_a_gigabyte_of_answer_is_not_read(site: Site) -> None:
    async def fine(writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        await site.webhook.huge(writer, gone, status=b"200 OK")

    async def unavailable(writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        await site.webhook.huge(writer, gone, status=b"503 Service Unavailable")

    before = psutil.Process(site.replica.pid).memory_info().rss
    assert await site.delivered(fine) == []
    assert await site.delivered(unavailable) == ["status_503", None]
    assert site.webhook.written < 64 * MIB
    assert psutil.Process(site.replica.pid).memory_info().rss - before < 32 * MIB
    await wait_until(lambda: site.connections() <= 1, "no connection is left but a kept one")
