"""A request that is refused for its head: a small body is let in first, since gateways mind an early answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.web.body import SMALL, let_small_body_come
from tests.integration.http.wire import Listeners, Wire, head


class Refusing:
    """Refuses everything, and tells how far it is."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.over = False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.begun.set()
        await let_small_body_come(request)
        self.over = True
        raise ProblemError(Problem(404, "route_unknown", "No such route."))


@pytest.fixture
def refusing() -> Refusing:
    return Refusing()


@pytest.fixture
async def wire(refusing: Refusing) -> AsyncIterator[Wire]:
    listeners = Listeners()
    yield await listeners.connect(await listeners.start(refusing))
    await listeners.stop()


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (head("Content-Length: 5"), (b"ab", b"cde")),
        (head("Transfer-Encoding: chunked"), (b"5\r\nabcde\r\n", b"0\r\n\r\n")),
    ],
    ids=["length", "chunked"],
)
async def test_the_answer_waits_for_a_small_body_and_the_connection_lives_on(
    refusing: Refusing, wire: Wire, begin: bytes, rest: tuple[bytes, bytes]
) -> None:
    await wire.send(begin)
    await refusing.begun.wait()
    assert not refusing.over
    for part in rest:
        await wire.send(part)
    assert (await wire.answer()).problem["code"] == "route_unknown"
    await wire.send(head("Content-Length: 2") + b"ok")
    assert (await wire.answer()).status == 404


@pytest.mark.parametrize(
    "begin",
    [
        head(f"Content-Length: {SMALL + 1}"),
        head("Content-Length: 5", "Expect: 100-continue"),
        head(line="GET /x HTTP/1.1"),
    ],
    ids=["large", "asks first", "none"],
)
async def test_nothing_is_waited_for_where_the_body_is_large_or_not_on_its_way(
    refusing: Refusing, wire: Wire, begin: bytes
) -> None:
    await wire.send(begin)
    await refusing.begun.wait()
    assert refusing.over
    assert (await wire.answer()).status == 404


async def test_a_body_that_does_not_come_holds_the_answer_for_a_moment_only(wire: Wire) -> None:
    await wire.send(head("Content-Length: 5") + b"ab")
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (404, "close")


async def test_a_client_that_leaves_is_not_waited_for(refusing: Refusing, wire: Wire) -> None:
    await wire.send(head("Content-Length: 5") + b"ab")
    await refusing.begun.wait()
    wire.writer.close()
    async with asyncio.timeout(60):
        assert await wire.closed()
