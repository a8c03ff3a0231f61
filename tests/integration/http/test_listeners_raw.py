"""What a client on a bare socket gets from a listener, whatever it sends."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.telemetry.log import EventLog, make_log
from sidecar.web.body import read_body
from sidecar.web.home import Limits
from sidecar.web.server import Handler, Listener, serve
from tests.integration.http.wire import Start, Wire, head

MARK = "s3cr3t-v4lue"


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


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start listeners; all of them are stopped at the end."""
    running: list[Listener] = []

    async def run(handler: Handler = echo, *, log: EventLog | None = None, **limits: float) -> Listener:
        log = log or make_log("json", "info", io.BytesIO())
        bounds = Limits(**limits)  # type: ignore[arg-type]  # the names are checked by the constructor
        listener = await serve(handler, name="test", host="127.0.0.1", port=0, log=log, limits=bounds)
        running.append(listener)
        return listener

    yield run
    for listener in running:
        await listener.stop(0.1)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Listener], Awaitable[Wire]]]:
    """Connect bare clients; all of them are closed at the end."""
    wires: list[Wire] = []

    async def run(listener: Listener) -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", listener.port)))
        return wires[-1]

    yield run
    for wire in wires:
        wire.writer.close()


Connect = Callable[[Listener], Awaitable[Wire]]


BAD_SHAPES = {
    "nonsense": f"{MARK}\r\n\r\n".encode(),
    "TLS on the plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    "unknown method": head(line=f"{MARK} /x HTTP/1.1"),
    "lower-case method": head(line="post /x HTTP/1.1"),
    "no version": head(line="GET /x"),
    "version 9.9": head(line="GET /x HTTP/9.9"),
    "version 2.0": head(line="GET /x HTTP/2.0"),
    "version 0.9": head(line="GET /x HTTP/0.9"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": head(line="CONNECT here:443 HTTP/1.1"),
    "target without slash": head(line=f"GET {MARK} HTTP/1.1"),
    "space in the target": head(line="GET /a b HTTP/1.1"),
    "no host": head(host=None),
    "two hosts": head("Host: other"),
    "two content-lengths": head("Content-Length: 1", "Content-Length: 2"),
    "two equal content-lengths": head("Content-Length: 1", "Content-Length: 1") + b"x",
    "negative content-length": head("Content-Length: -1"),
    "signed content-length": head("Content-Length: +1") + b"x",
    "content-length list": head("Content-Length: 1, 1") + b"x",
    "huge content-length": head("Content-Length: 99999999999999999999999999"),
    "length and chunked": head("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 4") + b"0\r\n\r\n",
    "two transfer-encodings": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked not last": head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "unknown coding": head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunked misspelt": head("Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "vertical tab before chunked": head("Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "chunked in HTTP/1.0": head("Transfer-Encoding: chunked", line="POST /x HTTP/1.0") + b"0\r\n\r\n",
    "chunk size is no number": head("Transfer-Encoding: chunked") + f"{MARK}\r\n".encode(),
    "chunk size too large": head("Transfer-Encoding: chunked") + b"fffffffffffffffff\r\n",
    "space before the colon": head(f"X-A : {MARK}"),
    "space in a name": head(f"X A: {MARK}"),
    "no colon": head(MARK),
    "no name": head(f": {MARK}"),
    "folded value": head("X-A: 1", f" {MARK}"),
    "NUL in a value": head(f"X-A: {MARK}\x00"),
    "bare CR in a value": head(f"X-A: 1\r{MARK}"),
    "bare LF between headers": f"GET /x HTTP/1.1\nHost: here\nX-A: {MARK}\n\n".encode(),
    "control character in a value": head(f"X-A: {MARK}\x01"),
}


@pytest.mark.parametrize("shape", BAD_SHAPES.values(), ids=BAD_SHAPES.keys())
async def test_what_is_not_http_gets_a_problem_document_and_the_connection_ends(
    shape: bytes, start: Start, connect: Connect
) -> None:
    wire = await connect(await start())
    await wire.send(shape)
    answer = await wire.answer()
    assert (answer.version, answer.status, answer.problem["code"]) == ("HTTP/1.1", 400, "bad_request")
    assert answer.problem["correlation_id"] is None
    assert answer.headers["connection"] == "close"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers
    assert MARK.encode() not in answer.body
    assert await wire.closed()


OVERSIZED = {
    "value": (431, "headers_too_large", head("X-A: " + "a" * 33_000)),
    "name": (431, "headers_too_large", head("a" * 33_000 + ": 1")),
    "count": (431, "headers_too_large", head(*(f"X-{n}: 1" for n in range(130)))),
    "total": (431, "headers_too_large", head(*(f"X-{n}: " + "a" * 20_000 for n in range(4)))),
    "target": (414, "uri_too_long", head(line="GET /" + "a" * 17_000 + " HTTP/1.1")),
}


@pytest.mark.parametrize(("status", "code", "shape"), OVERSIZED.values(), ids=OVERSIZED.keys())
async def test_an_oversized_head_is_refused(
    status: int, code: str, shape: bytes, start: Start, connect: Connect
) -> None:
    wire = await connect(await start())
    await wire.send(shape)
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert await wire.closed()


async def test_a_head_that_never_ends_is_refused_at_its_limit(start: Start, connect: Connect) -> None:
    wire = await connect(await start(count=100_000))
    await wire.send(b"GET /x HTTP/1.1\r\nHost: here\r\n")
    filling = asyncio.create_task(wire.send(b"X-A: 0123456789\r\n" * 10_000))
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")
    assert await wire.closed()
    filling.cancel()


async def test_headers_as_large_as_gateway_tokens_pass(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("X-Jwt-Assertion: " + "a" * 31_000, "X-B: " + "b" * 30_000, "Content-Length: 2") + b"ok")
    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b"ok")


async def test_a_large_body_does_not_count_as_head_of_the_next_request(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Content-Length: 90000") + b"a" * 90_000)
    assert (await wire.answer()).headers["x-length"] == "90000"
    await wire.send(b"POST /x HTTP/1.1\r\nHost:")
    await wire.send(b" here\r\nContent-Length: 2\r\n\r\nok")
    assert (await wire.answer()).body == b"ok"


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX-A: "])
async def test_a_first_head_that_does_not_come_in_time_ends_the_connection(
    begun: bytes, start: Start, connect: Connect
) -> None:
    wire = await connect(await start(head_timeout=0.05))
    if begun:
        await wire.send(begun)
    assert await wire.closed()


async def test_a_later_head_that_drips_in_ends_the_connection(start: Start, connect: Connect) -> None:
    wire = await connect(await start(head_timeout=1.0, idle_timeout=60))
    await wire.send(head("Content-Length: 0"))
    assert (await wire.answer()).status == 200
    await wire.send(b"POST /x HTTP/1.1\r\nHo")
    assert await wire.closed()


async def test_an_idle_connection_outlives_the_head_timeout(start: Start, connect: Connect) -> None:
    listener = await start(head_timeout=1.0, idle_timeout=60)
    kept, slow = await connect(listener), await connect(listener)
    await kept.send(head("Content-Length: 0"))
    assert (await kept.answer()).status == 200
    assert await slow.closed()  # the head time-out has passed, for both
    await kept.send(head("Content-Length: 2") + b"ok")
    assert (await kept.answer()).body == b"ok"


async def test_an_idle_connection_is_closed_after_its_timeout(start: Start, connect: Connect) -> None:
    wire = await connect(await start(head_timeout=1.0, idle_timeout=1.0))
    await wire.send(head("Content-Length: 0"))
    assert (await wire.answer()).status == 200
    assert await wire.closed()


async def test_errors_of_handlers_become_problems_and_tell_nothing(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    for path, status, code in (
        ("/boom", 500, "internal_error"),
        ("/away", 503, "database_unavailable"),
        ("/refused", 404, "route_unknown"),
    ):
        await wire.send(head("X-Correlation-Id: c-1", "Content-Length: 0", line=f"POST {path} HTTP/1.1"))
        answer = await wire.answer()
        assert (answer.status, answer.problem["code"]) == (status, code)
        assert answer.problem["correlation_id"] == answer.headers["x-correlation-id"] == "c-1"
        assert MARK.encode() not in answer.body
        assert "connection" not in answer.headers
        assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_failed_handler_is_logged_by_type_and_place_not_by_its_words(start: Start, connect: Connect) -> None:
    stream = io.BytesIO()
    log = make_log("json", "info", stream)
    wire = await connect(await start(log=log))
    await wire.send(head("Content-Length: 0", line="POST /boom HTTP/1.1"))
    await wire.answer()
    log.flush()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["exception"]["type"]) == ("listener.problem", "error", "RuntimeError")
    assert MARK not in stream.getvalue().decode()


@pytest.mark.parametrize("value", ["", "a b", "é", "x" * 129])
async def test_an_unusable_correlation_id_is_not_echoed(value: str, start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head(f"X-Correlation-Id: {value}", "Content-Length: 0", line="POST /away HTTP/1.1"))
    answer = await wire.answer()
    assert answer.problem["correlation_id"] is None
    assert "x-correlation-id" not in answer.headers


async def test_head_requests_get_no_body(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    for path, status in (("/x", 200), ("/refused", 404)):
        await wire.send(head(line=f"HEAD {path} HTTP/1.1"))
        assert (await wire.answer(head=True)).status == status
    await wire.send(head("Content-Length: 2") + b"ok")
    assert (await wire.answer()).body == b"ok"


async def test_http_1_0_is_served_and_closed(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Content-Length: 2", line="POST /x HTTP/1.0", host=None) + b"ok")
    assert (await wire.answer()).body == b"ok"
    assert await wire.closed()


async def test_pipelined_requests_are_answered_in_order(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(b"".join(head("Content-Length: 1") + bytes([n]) for n in b"abc"))
    assert [(await wire.answer()).body for _ in range(3)] == [b"a", b"b", b"c"]


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


async def test_other_expectations_fail(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Expect: miracles", "Content-Length: 0"))
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (417, "expectation_failed")


async def test_an_upgrade_is_ignored(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 2") + b"ok")
    assert (await wire.answer()).body == b"ok"


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
