import pytest

from sidecar.fanout.request import service_headers
from sidecar.model.callback_token import CallbackTokens, TokenKind
from sidecar.model.invocation import Invocation
from sidecar.model.route import Completion, FailedWhen
from tests.unit.builders import JOB, TRACE, WEBHOOK, make_call, make_invocation

TOKENS = CallbackTokens([b"secret"])
BASE = "http://sidecar:8081"


def sent(invocation: Invocation) -> list[tuple[str, str]]:
    return service_headers(invocation, tokens=TOKENS, callbacks_url=BASE, marker="m-1")


def test_a_service_gets_the_callers_headers_and_those_that_let_it_answer() -> None:
    headers = sent(make_invocation(headers=b"Content-Type: text/csv\r\nX-A: 1\r\nx-a: 2"))
    token = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
    assert headers[:-1] == [
        ("Content-Type", "text/csv"),
        ("X-A", "1"),
        ("x-a", "2"),
        ("callback-url", f"{BASE}/callbacks/{JOB}/billing/{token}"),
        ("x-original-callback-url", WEBHOOK),
        ("x-correlation-id", "c-1"),
        ("x-job-id", str(JOB)),
        ("idempotency-key", f'"{JOB}:billing"'),
        ("x-async-sidecar", "m-1"),
    ]
    name, trace = headers[-1]
    assert (name, trace[:36], trace[52:]) == ("traceparent", TRACE[:36], TRACE[52:])
    assert trace != TRACE


def test_each_attempt_has_the_same_key_and_a_span_of_its_own() -> None:
    one, two = dict(sent(make_invocation())), dict(sent(make_invocation(attempts=1, claim=2)))
    assert one.pop("traceparent") != two.pop("traceparent")
    assert one == two


def test_an_answer_that_a_rule_must_judge_says_so_in_its_token() -> None:
    call = make_call(failed_when=FailedWhen(pointer="/error"))
    url = dict(sent(make_invocation(call=call)))["callback-url"]
    assert TOKENS.check(JOB, "billing", url.rpartition("/")[2]) is TokenKind.RULED


@pytest.mark.parametrize(
    ("completion", "original", "url"),
    [
        (Completion.NONE, True, WEBHOOK),
        (Completion.NONE, False, None),
        (Completion.RESPONSE, False, None),
    ],
)
def test_only_who_calls_back_gets_an_address_to_call(
    completion: Completion, url: str | None, *, original: bool
) -> None:
    call = make_call(completion=completion, original_callback=original)
    assert dict(sent(make_invocation(call=call))).get("callback-url") == url


@pytest.mark.parametrize(
    ("strip", "forward", "names"),
    [
        ((), (), ["Authorization", "X-A"]),
        ((), ("cookie",), ["Authorization", "COOKIE", "X-A"]),
        ((), ("Cookie", "x-b"), ["Authorization", "COOKIE", "X-A"]),
        ((), ("x-a",), ["Authorization", "X-A"]),
        (("authorization",), (), ["X-A"]),
        (("Authorization", "X-a"), ("cookie",), ["COOKIE"]),
    ],
)
def test_cookies_stay_here_unless_named_and_what_is_stripped_does_too(
    strip: tuple[str, ...], forward: tuple[str, ...], names: list[str]
) -> None:
    call = make_call(strip_headers=strip, forward_headers=forward)
    headers = sent(make_invocation(call=call, headers=b"Authorization: t\r\nCOOKIE: s=1\r\nX-A: 1"))
    assert [name for name, _ in headers[: len(names)]] == names
    assert headers[len(names)][0] == "callback-url"


def test_without_a_trace_none_is_sent() -> None:
    assert "traceparent" not in dict(sent(make_invocation(traceparent=None)))
