"""What a token server is asked, and what its answers mean."""

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from sidecar.model.reasons import OwnReason
from sidecar.outbound.grant import Grant, Granted, NotGranted, read_answer, token_request
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import make_reply

ODD: tuple[object, ...] = (None, "soon", -1, True, "inf", "nan", [])


def answer(status: int = 200, **document: Any) -> Reply:
    return make_reply(status, body=orjson.dumps(document))


def form_of(body: bytes) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(body.decode(), strict_parsing=True).items()}


def test_the_client_shows_itself_by_basic_authentication_form_encoded() -> None:
    request = token_request(Grant("me:1", ("crm",)), secret="a b/ü", password=None, worker=7)
    kind, _, value = dict(request.headers)["authorization"].partition(" ")
    assert (kind, b64decode(value)) == ("Basic", b"me%3A1:a+b%2F%C3%BC")
    assert form_of(request.body) == {"grant_type": "client_credentials", "scope": "crm"}


def test_the_client_shows_itself_in_the_body_where_that_is_asked_for() -> None:
    request = token_request(Grant("me", secret_in_body=True), secret="s&t", password=None, worker=7)
    assert "authorization" not in dict(request.headers)
    assert form_of(request.body) == {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": "s&t",
    }


def test_the_password_grant_names_the_user_and_a_scope_may_hold_the_workers_number() -> None:
    grant = Grant("me", ("crm_results", "device_{worker}"), username="svc")
    request = token_request(grant, secret="s", password="p w", worker=12)
    assert form_of(request.body) == {
        "grant_type": "password",
        "username": "svc",
        "password": "p w",
        "scope": "crm_results device_12",
    }


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (3600, 3600.0),
        ("3600", 3600.0),
        (0, 0.0),
        (1.5, 1.5),
        *((odd, None) for odd in ODD),
    ],
)
def test_a_lifetime_may_be_text_or_missing(expires_in: object, lifetime: float | None) -> None:
    got = read_answer(answer(access_token="abc", token_type="bearer", expires_in=expires_in), hide=())
    assert got == Granted("abc", lifetime)


def test_a_token_without_type_and_lifetime_is_taken() -> None:
    assert read_answer(answer(access_token="abc"), hide=()) == Granted("abc", None)


@pytest.mark.parametrize(
    "reply",
    [
        answer(),
        answer(access_token=""),
        answer(access_token="a\r\nx-evil: 1"),
        answer(access_token=7),
        answer(access_token="abc", token_type="mac"),
        make_reply(200, body=b"<html>login</html>"),
        make_reply(200, body=b"[]"),
        make_reply(302),
        answer(500, error="server_error"),
        make_reply(503),
    ],
)
def test_what_is_no_token_means_that_the_key_manager_is_not_there(reply: Reply) -> None:
    got = read_answer(reply, hide=())
    assert isinstance(got, NotGranted)
    assert (got.reason, bool(got.text)) == (OwnReason.KEY_MANAGER_AWAY, True)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_told_in_the_servers_words_and_without_secrets(status: int) -> None:
    refused = answer(status, error="invalid_grant", error_description="no\x00such user svc, password Pa$$ word")
    got = read_answer(refused, hide=["Pa$$ word", ""])
    text = f"it answered {status}, invalid_grant: no such user svc, password ***"
    assert got == NotGranted(OwnReason.KEY_MANAGER_REFUSES, text)


def test_a_refusal_that_repeats_the_secret_in_another_form_does_not_tell_it_either() -> None:
    for shown in ("a+b%2Fc", "YSBiL2M="):
        got = read_answer(answer(401, error="invalid_client", error_description=f"got {shown}"), hide=["a b/c"])
        assert isinstance(got, NotGranted)
        assert got.text == "it answered 401, invalid_client: got ***"


def test_long_words_are_cut() -> None:
    got = read_answer(answer(400, error="e" * 5000), hide=())
    assert isinstance(got, NotGranted)
    assert len(got.text) < 300


def test_a_busy_server_says_when_to_come_again() -> None:
    assert read_answer(make_reply(429, retry_after="30"), hide=()) == NotGranted(
        OwnReason.KEY_MANAGER_AWAY, "it answered 429", 30.0
    )


@pytest.mark.parametrize("kind", FailureKind)
def test_silence_is_told_with_what_tls_did_not_accept(kind: FailureKind) -> None:
    got = read_answer(Failure(kind, sent=False, detail="certificate has expired"), hide=())
    assert isinstance(got, NotGranted)
    assert got.reason is OwnReason.KEY_MANAGER_AWAY
    assert got.text.endswith(": certificate has expired")
