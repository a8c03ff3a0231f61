"""Asking an OAuth2 token server, and reading its answer: pure (RFC 6749, sections 2.3.1, 4.3, 4.4 and 5)."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

import orjson

from sidecar.model.reasons import OwnReason
from sidecar.model.retry_after import retry_after
from sidecar.outbound.requests import Failure, FailureKind, Reply

LONGEST_WAIT = 300.0
"""Seconds that a token server may ask us to wait."""

SHOWN = 200
"""Characters of its own words that are told."""

_TOKEN = re.compile(r"[\x21-\x7e]+\Z")  # whatever else it is, it goes into a header
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_REFUSALS = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True)
class Grant:
    """What is asked for. ``username`` makes it the password grant, else it is the client credentials grant."""

    client_id: str
    scopes: tuple[str, ...] = ()
    username: str | None = None
    secret_in_body: bool = False  # instead of HTTP Basic authentication


@dataclass(frozen=True, slots=True)
class Granted:
    """A token. ``lifetime`` is in seconds; None when the server did not say."""

    token: str
    lifetime: float | None


@dataclass(frozen=True, slots=True)
class NotGranted:
    """No token: why, in a word and in words without secrets, and how many seconds the server wants us to wait."""

    reason: OwnReason
    text: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Headers and body of the request for a token."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


def token_request(grant: Grant, *, secret: str, password: str | None, worker: int) -> TokenRequest:
    """Build the request for a token; ``{worker}`` in a scope becomes the worker's number."""
    form = {"grant_type": "client_credentials"}
    if grant.username is not None:
        form = {"grant_type": "password", "username": grant.username, "password": password or ""}
    if grant.scopes:
        form["scope"] = " ".join(scope.replace("{worker}", str(worker)) for scope in grant.scopes)
    headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
    if grant.secret_in_body:
        form |= {"client_id": grant.client_id, "client_secret": secret}
    else:
        headers.append(("authorization", basic(quote_plus(grant.client_id), quote_plus(secret))))
    return TokenRequest(tuple(headers), urlencode(form).encode())


def basic(username: str, password: str) -> str:
    """Build the value of a Basic authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def read_answer(answer: Reply | Failure, *, hide: Sequence[str]) -> Granted | NotGranted:
    """Tell what a token server's answer means.

    Args:
        answer: What came back.
        hide: Secrets that must not be told, should the server repeat them.
    """
    if isinstance(answer, Failure):
        return NotGranted(OwnReason.KEY_MANAGER_AWAY, _silence(answer))
    document = _document(answer.body)
    if 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110: successful
        return _granted(document)
    told = _words(document, hide)
    text = f"it answered {answer.status}" + (f", {told}" if told else "")
    refused = answer.status in _REFUSALS
    return NotGranted(
        OwnReason.KEY_MANAGER_REFUSES if refused else OwnReason.KEY_MANAGER_AWAY,
        text,
        retry_after(answer.headers, longest=LONGEST_WAIT),
    )


def _granted(document: dict[str, object]) -> Granted | NotGranted:
    token, kind = document.get("access_token"), document.get("token_type", "Bearer")
    if not isinstance(token, str) or not _TOKEN.match(token):
        return NotGranted(OwnReason.KEY_MANAGER_AWAY, "its answer holds no usable access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return NotGranted(OwnReason.KEY_MANAGER_AWAY, "its token is no Bearer token (RFC 6750)")
    return Granted(token, _seconds(document.get("expires_in")))


def _seconds(value: object) -> float | None:
    """Read ``expires_in``, which some servers write as text; what is no number says nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _words(document: dict[str, object], hide: Sequence[str]) -> str:
    """Repeat what the server said (RFC 6749, section 5.2), without secrets, on one line."""
    parts = [document.get(name) for name in ("error", "error_description")]
    text = ": ".join(part for part in parts if isinstance(part, str) and part)
    for secret in hide:
        for form in {secret, quote_plus(secret), b64encode(secret.encode()).decode()}:
            text = text.replace(form, "***") if form else text
    return _UNPRINTABLE.sub(" ", text)[:SHOWN]


def _document(body: bytes) -> dict[str, object]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _silence(failure: Failure) -> str:
    words = {
        FailureKind.DNS: "its name cannot be resolved",
        FailureKind.CONNECT: "it cannot be connected to",
        FailureKind.UNSENDABLE: "its address or a header cannot be written",
        FailureKind.TLS: "its certificate or TLS is not accepted",
        FailureKind.POOL: "all connections to it are in use",
        FailureKind.TIMEOUT_CONNECT: "no connection in time",
        FailureKind.RESET: "the connection broke",
        FailureKind.TIMEOUT: "it did not answer in time",
        FailureKind.BAD_RESPONSE: "what it answers is not HTTP",
        FailureKind.EGRESS: "its address may not be called",
    }
    return words[failure.kind] + (f": {failure.detail}" if failure.detail else "")
