"""A webhook that is a process of its own: it refuses the first attempts at each message, and tells of every attempt.

Run as ``python -m tests.acceptance.harness.webhook_process PORT REFUSALS``; it prints one JSON line for each attempt.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from sidecar.kit.die_with_parent import dying_with_parent


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, at a time of the process's steady clock, in seconds."""

    at: float
    number: int
    message_id: str
    kind: str


@asynccontextmanager
async def webhook_process(port: int, *, refusals: int) -> AsyncIterator[Process]:
    """Run such a webhook; it ends with the block."""
    command = [sys.executable, "-m", "tests.acceptance.harness.webhook_process", str(port), str(refusals)]
    process = await asyncio.create_subprocess_exec(*dying_with_parent(command), stdout=PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        await process.communicate()


async def next_attempt(process: Process, *, timeout: float) -> Attempt:
    """Wait for the next attempt."""
    assert process.stdout is not None
    async with asyncio.timeout(timeout):
        return Attempt(**json.loads(await process.stdout.readline()))


def tell(line: str) -> None:
    """Say something to the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def serve(port: int, refusals: int) -> None:
    """Answer 503 to the first attempts, then 204."""

    async def answer(request: web.Request) -> web.Response:
        at = time.monotonic()
        number = int(request.headers["x-attempt"])
        kind, message_id = request.headers["x-result-kind"], request.headers["webhook-id"]
        tell(json.dumps({"at": at, "number": number, "message_id": message_id, "kind": kind}))
        return web.Response(status=503 if number <= refusals else 204)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    tell("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
