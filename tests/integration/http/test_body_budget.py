"""Bodies of unknown size count while they come, and count no more when they are over, however they end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from sidecar.web.body import BodyReader
from sidecar.web.server import Listener
from tests.acceptance.harness.waiting import wait_until
from tests.integration.http.wire import Listeners, Wire, head

KB = 1000
BUDGET = 300 * KB
CHUNKED = head("Transfer-Encoding: chunked")
END = b"0\r\n\r\n"

Spoil = Callable[["Door", Wire], Awaitable[None]]


def chunk(size: int) -> bytes:
    return f"{size:x}\r\n".encode() + b"a" * size + b"\r\n"


class Hole:
    """A sink that waits at each piece until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reached = asyncio.Event()
        self.size = 0
        self.aborted = False

    async def write(self, piece: bytes, /) -> None:
        self.reached.set()
        await self.open.wait()
        self.size += len(piece)

    async def finish(self) -> int:
        return self.size

    async def abort(self) -> None:
        self.aborted = True


@dataclass
class Door:
    """A listener's handler, which reads bodies within a budget and keeps those that were read for a while."""

    reader: BodyReader
    hole: Hole | None = None
    readings: list["asyncio.Task[bytes | int]"] = field(default_factory=list)
    keep: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        reading = asyncio.create_task(self._read(request))
        self.readings.append(reading)
        try:
            body = await reading
        except asyncio.CancelledError:
            return web.Response(status=500)
        try:
            if request.path == "/kept":
                await self.keep.wait()
            return web.Response(text=str(body if isinstance(body, int) else len(body)))
        finally:
            self.reader.done(body)

    async def _read(self, request: web.BaseRequest) -> bytes | int:
        hole = self.hole
        if hole is None or request.path != "/hole":
            return await self.reader.read(request)

        async def begin() -> Hole:
            return hole

        return await self.reader.read(request, beyond=begin)

    async def held(self, size: int) -> None:
        """Wait until so many bytes count."""
        await wait_until(lambda: self.reader._budget.held == size, f"{size} bytes count")


def make_door(*, limit: int = 200 * KB, budget: int = BUDGET, threshold: int | None = None, idle: float = 60) -> Door:
    return Door(BodyReader(limit=limit, budget=budget, idle_timeout=idle, threshold=threshold))


async def test_chunked_bodies_beyond_the_budget_are_refused_while_they_come(listeners: Listeners) -> None:
    door = make_door()
    listener = await listeners.start(door)
    wires = [await listeners.connect(listener) for _ in range(15)]
    for wire in wires:
        await wire.send(CHUNKED + chunk(10 * KB))
    for wire in wires:
        await wire.send(chunk(80 * KB))
    answers = [asyncio.create_task(wire.answer()) for wire in wires]
    await wait_until(lambda: sum(answer.done() for answer in answers) >= 12, "all that have no room are answered")
    refused = [answer.result() for answer in answers if answer.done()]
    assert {(answer.status, answer.problem["code"]) for answer in refused} == {(503, "overloaded")}
    assert {(answer.headers["retry-after"], answer.headers["connection"]) for answer in refused} == {("1", "close")}
    assert door.reader._budget.held <= BUDGET
    coming = [(wire, answer) for wire, answer in zip(wires, answers, strict=True) if not answer.done()]
    for wire, answer in coming:
        await wire.send(END)
        assert (await answer).body == b"90000"
    await door.held(0)


async def test_a_chunked_body_that_fills_the_budget_keeps_one_of_known_length_out(listeners: Listeners) -> None:
    door = make_door(limit=BUDGET)
    listener = await listeners.start(door)
    filling, other = await listeners.connect(listener), await listeners.connect(listener)
    await filling.send(CHUNKED + chunk(200 * KB))
    await door.held(200 * KB)
    await other.send(head(f"Content-Length: {101 * KB}"))
    assert (await other.answer()).status == 503
    await filling.send(END)
    assert (await filling.answer()).body == b"200000"
    await door.held(0)


@pytest.mark.parametrize("sent", ["at once", "in pieces"])
async def test_a_chunked_body_counts_until_it_is_done(sent: str, listeners: Listeners) -> None:
    door = make_door()
    wire = await listeners.connect(await listeners.start(door))
    begin = head("Transfer-Encoding: chunked", line="POST /kept HTTP/1.1") + chunk(50)
    if sent == "in pieces":
        await wire.send(begin)
        await door.held(50)
        begin = b""
    await wire.send(begin + chunk(20) + END)
    await door.held(70)
    door.keep.set()
    assert (await wire.answer()).body == b"70"
    await door.held(0)


async def test_a_chunked_body_larger_than_the_budget_is_let_in_alone(listeners: Listeners) -> None:
    door = make_door(budget=50 * KB)
    listener = await listeners.start(door)
    wire, other = await listeners.connect(listener), await listeners.connect(listener)
    await wire.send(CHUNKED)
    for sent in (40, 80, 120):
        await wire.send(chunk(40 * KB))
        await door.held(sent * KB)
    await other.send(CHUNKED + chunk(1))
    assert (await other.answer()).status == 503
    await wire.send(END)
    assert (await wire.answer()).body == b"120000"
    await door.held(0)


async def leave(door: Door, wire: Wire) -> None:
    del door
    assert wire.writer.transport is not None
    wire.writer.transport.abort()


async def end_early(door: Door, wire: Wire) -> None:
    del door
    wire.writer.write_eof()
    assert (await wire.answer()).status == 400


async def break_the_frame(door: Door, wire: Wire) -> None:
    del door
    await wire.send(b"zz\r\n")
    assert (await wire.answer()).status == 400


async def send_too_much(door: Door, wire: Wire) -> None:
    del door
    await wire.send(chunk(150 * KB))
    assert (await wire.answer()).status == 413


async def be_cancelled(door: Door, wire: Wire) -> None:
    door.readings[-1].cancel()
    assert (await wire.answer()).status == 500


async def stall(door: Door, wire: Wire) -> None:
    del door
    assert (await wire.answer()).status == 408


@pytest.mark.parametrize("spoil", [leave, end_early, break_the_frame, send_too_much, be_cancelled, stall])
async def test_a_chunked_body_that_does_not_end_well_gives_back_what_it_held(
    spoil: Spoil, listeners: Listeners
) -> None:
    door = make_door(idle=0.5 if spoil is stall else 60)
    wire = await listeners.connect(await listeners.start(door))
    await wire.send(CHUNKED + chunk(100 * KB))
    await door.held(100 * KB)
    await spoil(door, wire)
    await door.held(0)


async def test_what_a_body_holds_moves_to_the_large_ones_when_it_passes_the_threshold(listeners: Listeners) -> None:
    door = make_door(threshold=50 * KB)
    door.hole = Hole()
    listener = await listeners.start(door)
    wire, other = await listeners.connect(listener), await listeners.connect(listener)
    large = head("Transfer-Encoding: chunked", line="POST /hole HTTP/1.1")
    await wire.send(large + chunk(40 * KB))
    await door.held(40 * KB)
    await wire.send(chunk(40 * KB))
    await door.hole.reached.wait()
    assert (door.reader._budget.held, door.reader._streams.held > 0) == (0, True)
    await other.send(large + chunk(40 * KB))
    await door.held(40 * KB)
    await other.send(chunk(40 * KB))
    assert (await other.answer()).status == 503  # the large ones have a budget of their own, which is full
    await door.held(0)
    door.hole.open.set()
    await wire.send(chunk(40 * KB) + END)
    assert (await wire.answer()).body == b"120000"
    assert (door.reader._budget.held, door.reader._streams.held) == (0, 0)


async def test_a_client_that_leaves_a_large_body_gives_back_both_budgets(listeners: Listeners) -> None:
    door = make_door(threshold=50 * KB)
    door.hole = Hole()
    listener: Listener = await listeners.start(door)
    wire = await listeners.connect(listener)
    await wire.send(head("Transfer-Encoding: chunked", line="POST /hole HTTP/1.1") + chunk(80 * KB))
    await door.hole.reached.wait()
    await leave(door, wire)
    door.hole.open.set()
    await asyncio.wait(door.readings)
    assert (door.hole.aborted, door.reader._budget.held, door.reader._streams.held) == (True, 0, 0)
