"""Every rule about a request's headers, with the code of its problem; no answer repeats a value."""

from collections.abc import Callable
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.accept.identity import Caller, NoIdentity, SharedSecret
from sidecar.accept.request import (
    AcceptRequest,
    AcceptRules,
    correlation_of,
    fingerprint,
    index_headers,
    key_scope,
    read_request,
)
from sidecar.model.errors import ProblemError
from sidecar.model.headers import decode_block
from sidecar.model.problems import Problem
from tests.unit.builders import TRACE, WEBHOOK

Raw = list[tuple[bytes, bytes]]
SECRET = "between-us"
MARKER = "0123456789abcdef"
NAMES = ("x-correlation-id", "activityid")


def make_rules(*, verified: bool = True, require_https: bool = True) -> AcceptRules:
    return AcceptRules(
        identity=SharedSecret("X-Sidecar-Key", [SECRET]) if verified else NoIdentity(),
        correlation=NAMES,
        wait=2.0,
        max_wait=5.0,
        require_https=require_https,
        callbacks_url="https://sidecar.example/base",
        marker=MARKER,
    )


def make_raw(**over: str | bytes | None) -> Raw:
    """Headers of a request that is in order; ``None`` leaves one out."""
    headers: dict[str, str | bytes | None] = {"callback_url": WEBHOOK, "x_sidecar_key": SECRET, **over}
    return [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
        if value is not None
    ]


def read(raw: Raw, rules: AcceptRules | None = None) -> AcceptRequest:
    rules, headers = rules or make_rules(), index_headers(raw)
    return read_request(raw, headers, "c-1", caller=rules.identity.identify(headers, None), rules=rules)


def refusal(act: Callable[[], object]) -> Problem:
    with pytest.raises(ProblemError) as caught:
        act()
    return caught.value.problem


REFUSED: dict[str, tuple[Raw, int, str]] = {
    "no gateway identity": (make_raw(x_sidecar_key=None), 401, "unauthorized"),
    "a wrong secret": (make_raw(x_sidecar_key="SPY"), 401, "unauthorized"),
    "a secret that is no text": (make_raw(x_sidecar_key=b"\xff"), 401, "unauthorized"),
    "two secrets": ([*make_raw(), (b"X-Sidecar-Key", SECRET.encode())], 401, "unauthorized"),
    "no callback-url": (make_raw(callback_url=None), 400, "callback_url_missing"),
    "two callback-urls": ([*make_raw(), (b"Callback-URL", b"https://SPY/")], 400, "callback_url_repeated"),
    "an empty callback-url": (make_raw(callback_url=""), 400, "callback_url_invalid"),
    "an unusable callback-url": (make_raw(callback_url="https://u:SPY@h/"), 400, "callback_url_invalid"),
    "a callback-url that is no text": (make_raw(callback_url=b"https://SPY/\xff"), 400, "callback_url_invalid"),
    "a callback-url over http": (make_raw(callback_url="http://SPY/"), 403, "callback_url_refused"),
    "our own callback address": (
        make_raw(callback_url="https://sidecar.example/base/callbacks/SPY"),
        400,
        "callback_url_invalid",
    ),
    "our own callback address, spelled out": (
        make_raw(callback_url="HTTPS://Sidecar.Example:443/base/callbacks/SPY"),
        400,
        "callback_url_invalid",
    ),
    "an upload-url": (make_raw(upload_url="https://SPY/"), 400, "upload_url_unsupported"),
    "our own loop marker": (make_raw(x_async_sidecar=MARKER), 508, "loop_detected"),
    "our own loop marker, joined": (make_raw(x_async_sidecar=f"other, {MARKER} ,more"), 508, "loop_detected"),
    "a header that is no text": (make_raw(x_name=b"SPY \xff"), 400, "header_invalid"),
    "an empty idempotency-key": (make_raw(idempotency_key=""), 400, "idempotency_key_invalid"),
    "an empty quoted idempotency-key": (make_raw(idempotency_key='""'), 400, "idempotency_key_invalid"),
    "a half quoted idempotency-key": (make_raw(idempotency_key='"SPY'), 400, "idempotency_key_invalid"),
    "an idempotency-key with a blank": (make_raw(idempotency_key="SPY 1"), 400, "idempotency_key_invalid"),
    "an idempotency-key that is too long": (make_raw(idempotency_key="S" * 256), 400, "idempotency_key_invalid"),
    "two idempotency-keys": (
        [*make_raw(idempotency_key="SPY"), (b"idempotency-key", b"SPY")],
        400,
        "idempotency_key_invalid",
    ),
    "two applications": (
        [*make_raw(x_api_application="shop"), (b"X-API-Application", b"SPY")],
        400,
        "header_invalid",
    ),
    "two key types": ([*make_raw(x_api_key_type="SANDBOX"), (b"x-api-key-type", b"SPY")], 400, "header_invalid"),
    "an application that is no text": (make_raw(x_api_application=b"SPY\xff"), 400, "header_invalid"),
}


@pytest.mark.parametrize(("raw", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_header_out_of_order_is_refused_with_its_code_and_without_its_value(raw: Raw, status: int, code: str) -> None:
    problem = refusal(lambda: read(raw))
    assert (problem.status, problem.code) == (status, code)
    told = problem.body("c-1") + orjson.dumps(dict(problem.headers))
    assert b"SPY" not in told
    assert SECRET.encode() not in told


def test_a_request_in_order_is_read() -> None:
    request = read(
        make_raw(
            content_type="application/json",
            prefer="respond-async, wait=3",
            idempotency_key='"key-1"',
            x_api_application="shop",
            x_api_context="/orders/1.0/",
            x_api_key_type="sandbox",
        )
    )
    assert request.callback.text == WEBHOOK
    assert request.correlation_id == "c-1"
    assert request.caller == Caller(application="shop", context="/orders/1.0", sandbox=True)
    assert (request.preference.wait, request.preference.applied) == (3.0, "respond-async, wait=3")
    assert request.idempotency_key == "key-1"
    assert decode_block(request.headers) == [
        ("content-type", "application/json"),
        ("x-original-idempotency-key", "key-1"),
    ]


@pytest.mark.parametrize(
    ("sent", "key"), [("k", "k"), ('"k"', "k"), ("x" * 255, "x" * 255), ("a;b,c=d", "a;b,c=d"), (None, None)]
)
def test_a_key_is_taken_bare_or_quoted(sent: str | None, key: str | None) -> None:
    assert read(make_raw(idempotency_key=sent)).idempotency_key == key


def test_nobody_is_believed_without_a_verified_gateway() -> None:
    raw = make_raw(x_api_application="shop", x_api_key_type="SANDBOX", x_api_context="/a", x_jwt_assertion="jwt")
    request = read(raw, make_rules(verified=False))
    assert request.caller == Caller()
    assert [name for name, _ in decode_block(request.headers)] == ["x-sidecar-key"]


def test_the_proof_of_the_gateway_never_travels_and_its_assertion_does() -> None:
    names = [name for name, _ in decode_block(read(make_raw(x_jwt_assertion="jwt", authorization="Bearer t")).headers)]
    assert names == ["x-jwt-assertion", "authorization"]


def test_http_is_taken_where_the_settings_say_so() -> None:
    request = read(make_raw(callback_url="http://hooks.example/"), make_rules(require_https=False))
    assert request.callback.port == 80


@pytest.mark.parametrize("url", ["https://sidecar.example/base", "https://sidecar.example/base/callbacksx/a"])
def test_what_only_resembles_our_own_address_is_taken(url: str) -> None:
    assert read(make_raw(callback_url=url)).callback.text == url


def test_markers_of_other_installations_travel_on() -> None:
    raw = [*make_raw(x_async_sidecar="other"), (b"X-Async-Sidecar", b"third")]
    assert decode_block(read(raw).headers) == [("x-async-sidecar", "other"), ("x-async-sidecar", "third")]


def test_a_trace_that_can_be_continued_keeps_its_state() -> None:
    request = read(make_raw(traceparent=TRACE, tracestate="a=b"))
    assert request.traceparent[:35] == TRACE[:35]
    assert decode_block(request.headers) == [("tracestate", "a=b")]


@pytest.mark.parametrize("more", [[], [(b"traceparent", b"broken")], [(b"traceparent", TRACE.encode())] * 2])
def test_without_a_usable_trace_its_state_is_dropped(more: Raw) -> None:
    request = read([*make_raw(tracestate="a=b"), *more])
    assert request.traceparent[3:35] != TRACE[3:35]
    assert request.headers == b""


CORRELATIONS = {
    "the first name": ([(b"X-Correlation-ID", b"c-1"), (b"activityid", b"a-1")], "c-1"),
    "the next name": ([(b"activityID", b"a-1")], "a-1"),
    "as long as can be": ([(b"x-correlation-id", b"x" * 128)], "x" * 128),
}


@pytest.mark.parametrize(("raw", "found"), CORRELATIONS.values(), ids=CORRELATIONS.keys())
def test_a_correlation_id_is_found_under_its_names(raw: Raw, found: str) -> None:
    assert correlation_of(index_headers(raw), NAMES) == found


def test_without_a_correlation_id_one_is_made() -> None:
    made = correlation_of(index_headers([]), NAMES)
    assert UUID(made).version == 7
    assert made != correlation_of({}, NAMES)


@pytest.mark.parametrize("values", [[b""], [b"a b"], [b"x" * 129], [b"SPY\xff"], [b"SPY\n"], [b"a", b"a"]])
def test_an_unusable_correlation_id_is_refused(values: list[bytes]) -> None:
    problem = refusal(lambda: correlation_of({"activityid": values}, NAMES))
    assert (problem.status, problem.code) == (400, "correlation_id_invalid")
    assert "activityid" in problem.detail
    assert "SPY" not in problem.detail


@given(st.lists(st.tuples(st.text(min_size=1).map(str.encode), st.binary()), max_size=6))
def test_whatever_is_sent_is_read_or_refused(extra: Raw) -> None:
    try:
        read([*make_raw(), *extra])
    except ProblemError as error:
        assert 400 <= error.problem.status < 500  # noqa: PT017 - either end is right


def test_a_fingerprint_tells_target_callback_and_body_apart() -> None:
    same = {"callback_url": WEBHOOK, "target": "/orders?a=1", "body": b"{}"}
    assert fingerprint(**same) == fingerprint(**same)  # type: ignore[arg-type]
    for change in ({"callback_url": WEBHOOK + "x"}, {"target": "/orders?a=2"}, {"body": b"{ }"}):
        assert fingerprint(**{**same, **change}) != fingerprint(**same)  # type: ignore[arg-type]
    assert fingerprint(callback_url="a", target="bc", body=b"") != fingerprint(callback_url="ab", target="c", body=b"")


def test_the_scope_of_a_key_is_application_method_and_path() -> None:
    scopes = {
        key_scope(application=application, method=method, path=path)
        for application in ("shop", "")
        for method in ("POST", "PUT")
        for path in ("/orders", "/orders/1")
    }
    assert len(scopes) == 8
    assert key_scope(application="shop", method="POST", path="/orders", sandbox=True) not in scopes
