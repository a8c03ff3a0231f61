import gzip
from typing import Any

import pytest

from sidecar.model.failed_when import says_failed
from sidecar.model.route import FailedWhen

BODY = b'{"error": {"code": 7, "flags": [true, 0, null]}, "a/b": 1, "m~n": 2, "": 3, "ok": false, "none": null}'


def said(rule: FailedWhen, *, status: int | None = 200, headers: bytes = b"", body: bytes = BODY) -> bool:
    return says_failed(rule, status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("pointer", "equals", "failed"),
    [
        ("/error", None, True),
        ("/error/code", None, True),
        ("/error/code", 7, True),
        ("/error/code", 7.0, True),
        ("/error/code", 8, False),
        ("/error/code", "7", False),
        ("/error/flags/0", True, True),
        ("/error/flags/0", 1, False),
        ("/error/flags/1", False, False),
        ("/error/flags/2", None, True),
        ("/error/flags/3", None, False),
        ("/error/flags/-1", None, False),
        ("/error/flags/-", None, False),
        ("/error/flags/00", None, False),
        ("/error/flags/\N{ARABIC-INDIC DIGIT ZERO}", None, False),
        ("/error/flags/" + "9" * 5000, None, False),
        ("/error/flags/x", None, False),
        ("/error/code/0", None, False),
        ("/a~1b", 1, True),
        ("/m~0n", 2, True),
        ("/m~01", None, False),
        ("/", 3, True),
        ("", None, True),
        ("/ok", None, True),
        ("/ok", False, True),
        ("/ok", 0, False),
        ("/none", None, True),
        ("/missing", None, False),
        ("/error", {"code": 7, "flags": [True, 0, None]}, True),
    ],
)
def test_a_pointer_looks_into_the_body(pointer: str, equals: Any, *, failed: bool) -> None:
    assert said(FailedWhen(pointer=pointer, equals=equals)) is failed


@pytest.mark.parametrize("body", [b"", b"no json", b"[", gzip.compress(BODY), b"\xff", b"NaN"])
def test_a_body_that_is_no_json_satisfies_no_pointer(body: bytes) -> None:
    assert not said(FailedWhen(pointer="/error"), body=body)
    assert not said(FailedWhen(pointer=""), body=body)


@pytest.mark.parametrize(
    ("headers", "failed"),
    [
        (b"X-Out: bad", True),
        (b"x-out: BAD", True),
        (b"x-out:  bad ", True),
        (b"x-out: bad\r\nserver: Apach\xe9", True),
        (b"server: Apach\xe9\r\nx-out: bad", True),
        (b"x-out: fine\r\nx-out: bad", True),
        (b"x-out: badly", False),
        (b"x-outer: bad", False),
        (b"x-out: ", False),
        (b"note: x-out: bad", False),
        (b"", False),
    ],
)
def test_a_header_is_compared_whole_without_case(headers: bytes, *, failed: bool) -> None:
    assert said(FailedWhen(header=("X-Out", "bad")), headers=headers) is failed


@pytest.mark.parametrize(("status", "failed"), [(200, True), (207, True), (201, False), (None, False)])
def test_a_status_test_never_holds_for_callbacks(status: int | None, *, failed: bool) -> None:
    assert said(FailedWhen(statuses=(200, 207)), status=status) is failed


def test_all_tests_of_a_rule_must_hold() -> None:
    rule = FailedWhen(header=("x-out", "bad"), statuses=(200,), pointer="/error/code", equals=7)
    assert said(rule, headers=b"x-out: bad")
    assert not said(rule, headers=b"x-out: good")
    assert not said(rule, headers=b"x-out: bad", status=201)
    assert not said(rule, headers=b"x-out: bad", body=b"{}")


def test_a_rule_without_tests_never_says_failed() -> None:
    assert not said(FailedWhen())
