"""What becomes of connections when a listener stops."""

import asyncio

import pytest
from aiohttp import web

from tests.integration.http.echoing import Connect
from tests.integration.http.wire import Start, head


async def test_a_stopped_listener_finishes_what_is_under_way(start: Start, connect: Connect) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(_: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await leave.wait()
        return web.Response(text="done")

    listener = await start(wait)
    busy, idle = await connect(listener), await connect(listener)
    await busy.send(head("Content-Length: 0"))
    await entered.wait()
    listener.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await connect(listener)
    stopping = asyncio.create_task(listener.stop(10))
    assert await idle.closed()
    leave.set()
    answer = await busy.answer()
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    assert await busy.closed()
    await stopping
    await listener.stop(10)


async def test_a_kept_connection_is_answered_and_closed_once_listening_has_stopped(
    start: Start, connect: Connect
) -> None:
    listener = await start()
    kept, idle = await connect(listener), await connect(listener)
    await kept.send(head("Content-Length: 0"))
    await kept.answer()
    listener.stop_listening()
    await kept.send(head("Content-Length: 2") + b"ok")
    answer = await kept.answer()
    assert (answer.body, answer.headers["connection"]) == (b"ok", "close")
    assert await kept.closed()
    assert await idle.closed()


async def test_a_handler_that_hangs_is_ended_after_the_grace(start: Start, connect: Connect) -> None:
    entered = asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    listener = await start(hang)
    wire = await connect(listener)
    await wire.send(head("Content-Length: 0"))
    await entered.wait()
    await listener.stop(0.05)
    assert await wire.closed()
