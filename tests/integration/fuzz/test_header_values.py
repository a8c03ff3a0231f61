"""Whatever bytes stand in headers: an answer comes, it is no fault of ours, and it repeats nothing."""

import socket
from typing import Final

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER
from tests.integration.fuzz.running import Running

MARK: Final = b"pl4nted"
NAMES: Final = (
    *("callback-url", "x-correlation-id", "activityid", "upload-url", "idempotency-key", "prefer", "traceparent"),
    *("x-api-context", "x-api-application", "x-api-key-type", "x-jwt-assertion", "authorization", "cookie", "host"),
    *("content-type", "content-length", "transfer-encoding", "expect", "connection", "x-async-sidecar", "range"),
    *(
        "x-result-status",
        "x-result-kind",
        "content-encoding",
        "accept-encoding",
        "if-none-match",
        KEY_HEADER,
        "x-other",
    ),
)
SHAPES: Final = (
    b"1",
    b"%00",
    b"chunked",
    b"100-continue",
    b"wait=9e99",
    b"\xff\xfe",
    b"\xc3\xa4",
    b'"',
    b"9" * 30,
    b"",
)
VALUES: Final = st.sampled_from(SHAPES) | st.binary(max_size=40)
HEADERS: Final = st.lists(st.tuples(st.sampled_from(NAMES), VALUES, st.booleans()), max_size=6)
TARGETS: Final = st.sampled_from(
    ("/v1/orders/1", "/v1/stock", "/v1/all", "/_jobs/1", "/_keys", "/callbacks/1/billing/x")
)
pytestmark = pytest.mark.usefixtures("nothing_left")


def speak(port: int, request: bytes) -> bytes:
    """Send bytes, end the sending side, and read to the end; a hang is an error."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize("listener", ["gateway", "callbacks"])
def test_no_header_brings_a_fault_a_hang_or_its_own_value_back(listener: str, running: Running) -> None:
    port = getattr(running.ports, listener)
    usual = {"Host": "sidecar", KEY_HEADER: GATEWAY_KEY, "callback-url": running.world.hook, "content-type": "text/x"}
    seen: set[int] = set()

    @example(target="/v1/nothing", method="POST", sent=[])
    @example(target="/v1/orders/1", method="POST", sent=[("content-length", b"%00", False)])
    @given(target=TARGETS, method=st.sampled_from(["POST", "GET"]), sent=HEADERS)
    @settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(target: str, method: str, sent: list[tuple[str, bytes, bool]]) -> None:
        replaced = {name for name, _, _ in sent}
        lines = [f"{name}: {value}".encode() for name, value in usual.items() if name.lower() not in replaced]
        lines += [b"%s: %s" % (name.encode(), MARK + value if marked else value) for name, value, marked in sent]
        answer = speak(port, b"\r\n".join([f"{method} {target} HTTP/1.1".encode(), *lines, b"", b""]))
        if not answer:  # the sending side ended before the request did, as a value with a line end can make it seem
            return
        head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        seen.add(status)
        assert status < 500 or status in {503, 508}, answer
        if status >= 400:
            assert b"application/problem+json" in head
            document = orjson.loads(body[: body.index(b"}") + 1])
            echoed = (document.pop("correlation_id") or "").encode()
            assert MARK not in orjson.dumps(document)
            assert MARK not in b"\r\n".join(line for line in head.split(b"\r\n") if echoed not in line or not echoed)

    ask()
    assert {400, 404} <= seen, seen  # the two examples
    # Only what a job is found by may stand in the log.
    told = running.log().replace('"correlation_id":"pl4nted', "").replace('"application":"pl4nted', "")
    assert MARK.decode() not in told
