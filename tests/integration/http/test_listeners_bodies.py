"""What a listener makes of bodies, whole and broken, and what it says while they come."""

import asyncio
import io

import pytest
from aiohttp import web

from sidecar.telemetry.log import make_log
from tests.integration.http.echoing import Connect
from tests.integration.http.wire import Start, head


async def test_chunked_and_dripping_bodies_are_read_whole(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Transfer-Encoding: Chunked"))
    for part in (b"3\r", b"\nabc", b"\r\n2\r\nde\r\n0\r\n", b"\r\n"):
        await wire.send(part)
        await asyncio.sleep(0)
    assert (await wire.answer()).body == b"abcde"


async def test_compressed_bodies_pass_untouched(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x00\x01")
    assert (await wire.answer()).body == b"\x1f\x8b\x00\x01"


async def test_a_body_that_is_announced_too_large_is_refused_unread(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Content-Length: 100001"))
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"], answer.headers["connection"]) == (413, "body_too_large", "close")
    wire.writer.write_eof()
    assert await wire.closed()


@pytest.mark.parametrize("chunks", [1, 4])
async def test_a_chunked_body_is_refused_once_it_is_too_large(chunks: int, start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Transfer-Encoding: chunked"))
    size = 120_000 // chunks
    for _ in range(chunks):
        await wire.send(f"{size:x}\r\n".encode() + b"a" * size + b"\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
    wire.writer.write_eof()
    assert await wire.closed()


async def test_a_body_that_stalls_is_refused(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Content-Length: 5", "X-Idle: 0.05") + b"abc")
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"], answer.headers["connection"]) == (408, "body_timeout", "close")


EARLY_ENDS = {
    "length": (head("Content-Length: 5"), b"abc"),
    "chunked": (head("Transfer-Encoding: chunked"), b"5\r\nab"),
}


@pytest.mark.parametrize("parts", [1, 2], ids=["at once", "in two parts"])
@pytest.mark.parametrize(("begin", "rest"), EARLY_ENDS.values(), ids=EARLY_ENDS.keys())
async def test_a_body_that_ends_early_is_refused(
    parts: int, begin: bytes, rest: bytes, start: Start, connect: Connect
) -> None:
    wire = await connect(await start())
    for data in (begin, rest) if parts == 2 else (begin + rest,):
        await wire.send(data)
        await asyncio.sleep(0)
    wire.writer.write_eof()
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (400, "body_unreadable")
    assert await wire.closed()


async def test_an_answer_to_a_client_that_left_counts_as_failed(start: Start, connect: Connect) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    failed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await leave.wait()
        response = web.Response(text="too late")
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            failed.set_result(True)
            raise
        failed.set_result(False)
        return response

    stream = io.BytesIO()
    log = make_log("json", "info", stream)
    listener = await start(answer, log=log)
    wire = await connect(listener)
    await wire.send(head("Content-Length: 0"))
    await entered.wait()
    wire.writer.write_eof()
    assert await wire.closed()
    leave.set()
    assert await failed
    await listener.stop(5)
    log.flush()
    assert stream.getvalue() == b""  # a client that leaves is no fault of ours


async def test_a_broken_chunk_in_the_middle_gets_one_answer(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
    await asyncio.sleep(0)
    await wire.send(b"zz\r\n")
    answer = await wire.answer()
    assert answer.status == 400
    assert await wire.closed()


async def test_a_client_is_told_to_continue_when_its_body_is_wanted(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Expect: 100-continue", "Content-Length: 2"))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"ok")
    assert (await wire.answer()).body == b"ok"


@pytest.mark.parametrize("path", ["/refused", "/unread"])
async def test_a_client_is_not_told_to_continue_when_its_body_is_not_wanted(
    path: str, start: Start, connect: Connect
) -> None:
    wire = await connect(await start())
    await wire.send(head("Expect: 100-continue", "Content-Length: 2", line=f"POST {path} HTTP/1.1"))
    answer = await wire.answer()
    assert answer.status in {200, 404}
    assert answer.headers["connection"] == "close"
