"""Listeners that tell what they read, and bare clients of theirs."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.telemetry.log import EventLog, make_log
from sidecar.web.body import read_body
from sidecar.web.home import Limits
from sidecar.web.server import Handler, Listener, serve
from tests.integration.http.wire import Start, Wire

MARK = "s3cr3t-v4lue"
Connect = Callable[[Listener], Awaitable[Wire]]


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """The trivial handler: tells what it read; some paths fail on purpose."""
    if request.path == "/boom":
        raise RuntimeError(MARK)
    if request.path == "/away":
        raise LedgerUnavailable
    if request.path == "/refused":
        raise ProblemError(Problem(404, "route_unknown", "No such route.", headers={"X-Extra": "1"}))
    if request.path == "/unread":
        return web.Response(text="unread")
    body = await read_body(request, limit=100_000, idle_timeout=float(request.headers.get("X-Idle", "60")))
    return web.Response(body=body, headers={"X-Length": str(len(body))})


@asynccontextmanager
async def starting() -> AsyncIterator[Start]:
    """Start listeners; all of them are stopped at the end."""
    running: list[Listener] = []

    async def run(
        handler: Handler = echo, *, log: EventLog | None = None, answers: list[int] | None = None, **limits: float
    ) -> Listener:
        log = log or make_log("json", "info", io.BytesIO())
        bounds = Limits(**limits)  # type: ignore[arg-type]  # the names are checked by the constructor
        answered = ([] if answers is None else answers).append
        listener = await serve(
            handler, name="test", host="127.0.0.1", port=0, log=log, answered=answered, limits=bounds
        )
        running.append(listener)
        return listener

    try:
        yield run
    finally:
        for listener in running:
            await listener.stop(0.1)


@asynccontextmanager
async def connecting() -> AsyncIterator[Connect]:
    """Connect bare clients; all of them are closed at the end."""
    wires: list[Wire] = []

    async def run(listener: Listener) -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", listener.port)))
        return wires[-1]

    try:
        yield run
    finally:
        for wire in wires:
            wire.writer.close()
