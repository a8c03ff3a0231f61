"""What strangers on a bare socket get from the three listeners of the real process."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import Ports, make_settings, route, service

MARK = "s3cr3t-v4lue"
LISTENERS = ("gateway", "callbacks", "admin")
JOB = "018f0000-0000-7000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Wire:
    """All that one connection brought."""

    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, object]:
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, object] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["type"] == f"urn:wso2-mediation-sidecar:problem:{document['code']}"
        assert document["title"]
        assert document["detail"]
        return document


async def speak(port: int, request: bytes) -> Wire:
    """Send bytes, end the sending side, and read the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().rstrip().split("\r\n")
            version, status, _ = first.split(" ", 2)
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
        return Wire(version, int(status), headers, body)
    finally:
        writer.close()


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Write a request; a Content-Length is added for a body."""
    fields = [line, "Host: sidecar", *headers]
    if body:
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join(fields).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def spawned(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """One process for all these tests: whatever one of them sends, the next is answered."""
    ports = Ports.free()
    routes = [
        route("/orders/{order_id}/report", service("billing", "http://127.0.0.1:9")),
        route("/typed", service("billing", "http://127.0.0.1:9"), accepts=["application/json"], max_body="1KiB"),
    ]
    directory: Path = tmp_path_factory.mktemp("wire")
    replica = Replica(directory, ports, make_settings(module_database, ports, routes))
    with ending(replica):
        replica.spawn()
        yield replica


@pytest.fixture
async def replica(spawned: Replica) -> AsyncIterator[Replica]:
    """Tests show the log when they fail, and leave the process alive."""
    try:
        await spawned.until_ready()
        yield spawned
        assert await spawned.readiness() == 200
    except BaseException as error:
        error.add_note(spawned.tail())
        raise


def port_of(replica: Replica, listener: str) -> int:
    port: int = getattr(replica.ports, listener)
    return port


UNREADABLE = {
    "garbage": (f"{MARK}\r\n\r\n".encode(), 400, "bad_request"),
    "binary": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MARK.encode() + b"\r\n\r\n", 400, "bad_request"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
    "no such version": (request(f"GET /{MARK} HTTP/9.9"), 400, "bad_request"),
    "CONNECT": (request(f"CONNECT {MARK}:443 HTTP/1.1"), 400, "bad_request"),
    "a name with a space": (request("GET / HTTP/1.1", f"x bad: {MARK}"), 400, "bad_request"),
    "a header without a colon": (request("GET / HTTP/1.1", MARK), 400, "bad_request"),
    "a control character in a value": (request("GET / HTTP/1.1", f"x-a: {MARK}\x00"), 400, "bad_request"),
    "two lengths": (request("POST / HTTP/1.1", "Content-Length: 4", "Content-Length: 5"), 400, "bad_request"),
    "a length that is no number": (request("POST / HTTP/1.1", f"Content-Length: {MARK}"), 400, "bad_request"),
    "length and chunks": (
        request("POST / HTTP/1.1", "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
        "bad_request",
    ),
    "a coding of its own": (request("POST / HTTP/1.1", f"Transfer-Encoding: {MARK}"), 400, "bad_request"),
    "an expectation of its own": (request("POST / HTTP/1.1", f"Expect: {MARK}"), 417, "expectation_failed"),
    "a field that is too large": (request("GET / HTTP/1.1", f"x-large: {MARK * 3000}"), 431, "headers_too_large"),
    "too many fields": (
        request("GET / HTTP/1.1", *(f"x-{number}: {MARK}" for number in range(200))),
        431,
        "headers_too_large",
    ),
    "too much of everything": (
        request("GET / HTTP/1.1", *(f"x-{number}: {MARK * 100}" for number in range(100))),
        431,
        "headers_too_large",
    ),
    "a target that is too long": (request(f"GET /{MARK * 3000} HTTP/1.1"), 414, "uri_too_long"),
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_is_no_request_gets_a_problem_that_repeats_nothing(
    listener: str, what: str, replica: Replica
) -> None:
    sent, status, code = UNREADABLE[what]
    answer = await speak(port_of(replica, listener), sent)
    assert (answer.version, answer.status, answer.problem["code"]) == ("HTTP/1.1", status, code)
    assert MARK.encode() not in answer.body
    assert MARK not in str(answer.headers)
    assert "server" not in answer.headers


HOOK = "callback-url: http://hooks.example/crm/1.0"
REPORT = "/orders/1/report"
REFUSED = {
    "no callback-url": ((f"POST {REPORT} HTTP/1.1",), 400, "callback_url_missing"),
    "two of them": ((f"POST {REPORT} HTTP/1.1", HOOK, f"{HOOK}/{MARK}"), 400, "callback_url_repeated"),
    "one with a user": (
        (f"POST {REPORT} HTTP/1.1", f"callback-url: https://{MARK}:x@hooks.example/"),
        400,
        "callback_url_invalid",
    ),
    "one with a fragment": (
        (f"POST {REPORT} HTTP/1.1", f"callback-url: https://hooks.example/#{MARK}"),
        400,
        "callback_url_invalid",
    ),
    "one that is relative": ((f"POST {REPORT} HTTP/1.1", f"callback-url: /{MARK}"), 400, "callback_url_invalid"),
    "one of another scheme": ((f"POST {REPORT} HTTP/1.1", f"callback-url: ftp://{MARK}/"), 400, "callback_url_invalid"),
    "one that is too long": (
        (f"POST {REPORT} HTTP/1.1", f"callback-url: https://hooks.example/{MARK * 200}"),
        400,
        "callback_url_invalid",
    ),
    "a correlation id with spaces": (
        (f"POST {REPORT} HTTP/1.1", HOOK, f"x-correlation-id: {MARK} {MARK}"),
        400,
        "correlation_id_invalid",
    ),
    "an idempotency key that is empty": (
        (f"POST {REPORT} HTTP/1.1", HOOK, 'idempotency-key: ""'),
        400,
        "idempotency_key_invalid",
    ),
    "a header that is no text": ((f"POST {REPORT} HTTP/1.1", HOOK, f"x-a: {MARK}\xff"), 400, "header_invalid"),
    "a dot segment": ((f"POST /orders/%2e%2e/report?{MARK} HTTP/1.1", HOOK), 400, "path_invalid"),
    "an encoded slash": ((f"POST /orders/{MARK}%2fx/report HTTP/1.1", HOOK), 400, "path_invalid"),
    "an encoded zero": ((f"POST /orders/{MARK}%00/report HTTP/1.1", HOOK), 400, "path_invalid"),
    "no such route": ((f"POST /{MARK} HTTP/1.1", HOOK), 404, "route_unknown"),
    "another method": ((f"GET {REPORT} HTTP/1.1", HOOK, f"x-a: {MARK}"), 405, "method_not_allowed"),
    "another type": (("POST /typed HTTP/1.1", HOOK, f"content-type: text/{MARK}"), 415, "media_type_unsupported"),
    "a body that says it is too large": (
        ("POST /typed HTTP/1.1", HOOK, "content-type: application/json", "content-length: 1025"),
        413,
        "body_too_large",
    ),
    "a job that is no id": ((f"GET /_jobs/{MARK} HTTP/1.1",), 404, "job_unknown"),
    "a job that nobody knows": ((f"GET /_jobs/{JOB}?{MARK} HTTP/1.1",), 404, "job_unknown"),
    "the result of a job that nobody knows": ((f"GET /_jobs/{JOB}/results/{MARK} HTTP/1.1",), 404, "job_unknown"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_the_gateway_must_not_send_is_refused_without_repeating_it(what: str, replica: Replica) -> None:
    fields, status, code = REFUSED[what]
    answer = await speak(replica.ports.gateway, request(*fields))
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert MARK.encode() not in answer.body
    assert MARK not in str(answer.headers)
    assert "x-job-id" not in answer.headers


CALLED_BACK = {
    "no callback address": (f"POST /{MARK} HTTP/1.1", 404, "not_found"),
    "a job that is no id": (f"POST /callbacks/{MARK}/billing/pxyz HTTP/1.1", 404, "callback_unknown"),
    "a token that was never given": (f"POST /callbacks/{JOB}/billing/p{MARK} HTTP/1.1", 404, "callback_unknown"),
    "a token that is no ASCII": (f"POST /callbacks/{JOB}/billing/p%C3%A4{MARK} HTTP/1.1", 404, "callback_unknown"),
    "another method": (f"GET /callbacks/{JOB}/billing/p{MARK} HTTP/1.1", 405, "method_not_allowed"),
}


@pytest.mark.parametrize("what", CALLED_BACK)
async def test_what_is_no_callback_is_refused_without_repeating_it(what: str, replica: Replica) -> None:
    line, status, code = CALLED_BACK[what]
    answer = await speak(replica.ports.callbacks, request(line, body=b"x"))
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert MARK.encode() not in answer.body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_the_admin_listener_shows_what_is_open_and_nothing_else(path: str, replica: Replica) -> None:
    assert (await speak(replica.ports.admin, request(f"GET {path} HTTP/1.1"))).status == 200
    for method, other, status in (("POST", path, 405), ("GET", f"/{MARK}", 404)):
        answer = await speak(replica.ports.admin, request(f"{method} {other} HTTP/1.1"))
        assert answer.status == answer.problem["status"] == status
        assert MARK.encode() not in answer.body


async def test_a_usable_correlation_id_is_on_the_problem_too(replica: Replica) -> None:
    answer = await speak(replica.ports.gateway, request("POST /nowhere HTTP/1.1", HOOK, "x-correlation-id: abc-1"))
    assert answer.headers["x-correlation-id"] == answer.problem["correlation_id"] == "abc-1"


async def test_pipelined_requests_are_answered_in_order(replica: Replica) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", replica.ports.gateway)
    try:
        for name in ("one", "two", "three"):
            writer.write(request(f"POST /{name} HTTP/1.1", HOOK, f"x-correlation-id: {name}"))
        for name in ("one", "two", "three"):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            fields = dict(line.lower().split(": ", 1) for line in head.decode().rstrip().split("\r\n")[1:])
            assert fields["x-correlation-id"] == name
            await reader.readexactly(int(fields["content-length"]))
    finally:
        writer.close()
