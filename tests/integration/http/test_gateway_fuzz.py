"""The gateway listener under headers of every kind: an answer each time, never a 500, and nothing left behind."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.accept.identity import SharedSecret
from sidecar.accept.quotas import Quotas
from sidecar.accept.request import AcceptRules
from sidecar.accept.targets import Targets
from sidecar.model.callback_url import WebhookUrl
from sidecar.model.delivery import Part
from sidecar.model.egress import Refusal
from sidecar.model.job import JobView
from sidecar.model.quota import Quota, Usage
from sidecar.telemetry.metrics import Metrics
from sidecar.web.body import BodyReader
from sidecar.web.gateway import GatewayHandler
from sidecar.web.home import Limits
from sidecar.web.server import Listener, serve
from tests.unit.accept.bench import Bench
from tests.unit.builders import Lines
from tests.unit.settings.builders import make_route, make_table

SECRET = "between-us-and-nobody-else"
EXPECTED = {200, 202, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422, 429, 431, 502, 503, 508}
TIMEOUT = 60.0


class Anywhere:
    async def refusal(self, url: WebhookUrl, /) -> Refusal | None:
        del url
        return None


class Nothing:
    async def of(self, applications: object) -> dict[str, Usage]:
        del applications
        return {}


class NoJobs:
    """Nobody has sent a job before."""

    async def job(self, job_id: UUID) -> JobView | None:
        del job_id
        return None

    async def parts(self, job_id: UUID) -> list[Part]:
        del job_id
        return []


class NoKeys:
    def document(self) -> tuple[bytes, str]:
        return b'{"keys":[]}', '"none"'


async def open_listener(lines: Lines) -> Listener:
    bench = Bench()
    bench.hears({"billing": 202})
    metrics = Metrics()
    rules = AcceptRules(
        identity=SharedSecret("x-sidecar-key", [SECRET]),
        correlation=("x-correlation-id", "activityid"),
        wait=0.0,
        max_wait=0.0,
        require_https=False,
        callbacks_url="http://sidecar.example:8081",
        marker="0123456789abcdef",
        uploads=True,
    )
    handler = GatewayHandler(
        rules=rules,
        routes=make_table(make_route("/orders/{id}")),
        acceptor=bench.acceptor,
        targets=Targets(Anywhere(), log=lines.log, metrics=metrics),
        jobs=NoJobs(),
        max_pending=100,
        bodies=BodyReader(limit=1000, budget=100_000, idle_timeout=0.2, total_timeout=1.0),
        log=lines.log,
        metrics=metrics,
        keys=NoKeys(),
        quotas=Quotas(Quota(100_000.0, None, None), counts=Nothing(), limited=metrics.application_limited),
    )
    return await serve(
        handler,
        name="gateway",
        host="127.0.0.1",
        port=0,
        log=lines.log,
        limits=Limits(head_timeout=0.5),
    )


@dataclass
class Running:
    port: int
    lines: Lines


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A listener on a loop of its own, in a thread: the examples come by ordinary sockets."""
    loop, lines = asyncio.new_event_loop(), Lines()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        listener = asyncio.run_coroutine_threadsafe(open_listener(lines), loop).result(TIMEOUT)
        yield Running(listener.port, lines)
        asyncio.run_coroutine_threadsafe(listener.stop(1), loop).result(TIMEOUT)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT)
        loop.close()


def answer(port: int, sent: bytes, *, ends: bool = False) -> list[int]:
    """Send, perhaps end, and read the statuses of all answers until the other side closes.

    A client that ends its side is taken for one that has left, and need not be answered.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
        try:
            client.sendall(sent)
            if ends:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it had been refused before it was complete
        got = b""
        try:
            while data := client.recv(65536):
                got += data
        except ConnectionResetError:
            pass
    lines = [line for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert all(line.startswith(b"HTTP/1.1 ") for line in lines), lines
    return [int(line.split(b" ")[1]) for line in lines]


KNOWN = [
    *("callback-url", "x-correlation-id", "activityid", "upload-url", "idempotency-key", "prefer", "traceparent"),
    *("tracestate", "x-api-application", "x-api-context", "x-api-key-type", "x-jwt-assertion", "x-async-sidecar"),
    *("x-sidecar-key", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection"),
    *("expect", "te", "trailer", "upgrade", "host", "authorization", "cookie", "accept", "x-job-id", "callback-url"),
]
USUAL = [b"https://hooks.example/a", b"shop", b"SANDBOX", b"wait=1", b"0", b"1", b"chunked", b"application/json", b""]
USUAL += [b"100-continue", b"close", b"upgrade", b'"key"', b"0123456789abcdef", SECRET.encode(), b"a.b.c", b"*", b",,"]

names = st.one_of(st.sampled_from(KNOWN).map(str.encode), st.binary(max_size=12))
values = st.one_of(st.sampled_from(USUAL), st.binary(max_size=60), st.text(max_size=40).map(str.encode))
fields = st.lists(st.tuples(names, values), max_size=12)
targets = st.one_of(
    st.sampled_from(
        [b"/orders/7", b"/orders/7?a=1", b"/", b"/_jobs/", b"/_keys", b"/_jobs/x/results/y", b"/x/_jobs/%00", b"*"]
    ),
    st.binary(max_size=30).map(lambda path: b"/" + path),
)
methods = st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"FOO", b"post"])

QUICK = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def request(method: bytes, target: bytes, sent: list[tuple[bytes, bytes]], body: bytes, *, proper: bool) -> bytes:
    head = [method + b" " + target + b" HTTP/1.1"]
    if proper:  # so that the headers are looked at, and not only the frame
        head += [b"Host: gw", b"x-sidecar-key: " + SECRET.encode(), b"Content-Length: %d" % len(body)]
        head.append(b"Connection: close")
        taken = {b"host", b"x-sidecar-key", b"content-length", b"transfer-encoding", b"connection"}
        sent = [(name, value) for name, value in sent if name.lower() not in taken]
    head += [name + b": " + value for name, value in sent]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@QUICK
@given(methods, targets, fields, st.binary(max_size=50))
def test_any_headers_of_a_gateway_are_answered(
    running: Running, method: bytes, target: bytes, sent: list[tuple[bytes, bytes]], body: bytes
) -> None:
    statuses = answer(running.port, request(method, target, sent, body, proper=True))
    assert statuses
    assert set(statuses) - {100} <= EXPECTED


@QUICK
@given(fields, st.binary(max_size=50))
def test_any_values_of_the_headers_that_count_are_answered(
    running: Running, sent: list[tuple[bytes, bytes]], body: bytes
) -> None:
    usual = [(b"callback-url", b"https://hooks.example/a"), *sent]
    statuses = answer(running.port, request(b"POST", b"/orders/7", usual, body, proper=True))
    assert statuses
    assert set(statuses) - {100} <= EXPECTED


@QUICK
@given(
    st.one_of(st.binary(max_size=300), st.builds(request, methods, targets, fields, st.binary(), proper=st.just(False)))
)
def test_any_bytes_end_with_an_answer_or_an_end(running: Running, sent: bytes) -> None:
    assert set(answer(running.port, sent, ends=True)) - {100} <= EXPECTED


def test_nothing_of_that_was_a_fault(running: Running) -> None:
    running.lines.log.flush()
    faults = [line for line in running.lines.events() if line["level"] == "error"]
    assert faults == []
    assert answer(running.port, request(b"GET", b"/_jobs/x", [], b"", proper=True)) == [404]
    usual = request(b"POST", b"/orders/7", [(b"callback-url", b"https://hooks.example/a")], b"", proper=True)
    assert answer(running.port, usual) == [202]
