"""What a client on a bare socket gets from a listener, whatever it sends."""

import asyncio
import io
import json

import pytest
from aiohttp import web

from sidecar.telemetry.log import make_log
from tests.integration.http.echoing import MARK, Connect
from tests.integration.http.wire import Start, head

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
    await wire.send(head("X-Correlation-Id: c-1", "Content-Length: 0", line="POST /boom HTTP/1.1"))
    await wire.answer()
    log.flush()
    line = json.loads(stream.getvalue())
    assert (line["code"], line["correlation_id"]) == ("internal_error", "c-1")
    assert (line["event"], line["level"], line["exception"]["type"]) == ("listener.problem", "error", "RuntimeError")
    assert MARK not in stream.getvalue().decode()


async def test_every_answer_is_counted_once_whoever_makes_it(start: Start, connect: Connect) -> None:
    answers: list[int] = []
    listener = await start(answers=answers, connections=1)
    wire = await connect(listener)
    for path in ("/x", "/boom", "/away", "/refused"):
        await wire.send(head("Content-Length: 0", line=f"POST {path} HTTP/1.1"))
        await wire.answer()
    crowd = await connect(listener)
    assert (await crowd.answer()).status == 503
    await wire.send(head("Content-Length: 0", line="POST /x HTTP/9.9"))
    await wire.answer()
    assert answers == [200, 500, 503, 404, 503, 400]


async def test_an_answer_that_nobody_waits_for_is_not_counted_as_a_fault(start: Start, connect: Connect) -> None:
    answers: list[int] = []
    left = asyncio.Event()

    async def leave(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        left.set()
        raise ConnectionResetError

    wire = await connect(await start(leave, answers=answers))
    await wire.send(head("Content-Length: 0"))
    await left.wait()
    assert await wire.closed()
    assert answers == []


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


async def test_other_expectations_fail(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Expect: miracles", "Content-Length: 0"))
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (417, "expectation_failed")


async def test_an_upgrade_is_ignored(start: Start, connect: Connect) -> None:
    wire = await connect(await start())
    await wire.send(head("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 2") + b"ok")
    assert (await wire.answer()).body == b"ok"
