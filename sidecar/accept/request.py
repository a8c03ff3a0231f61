"""Read the headers of a request that asks for asynchronous handling: every rule, and nothing but rules."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uuid_utils.compat import uuid7

from sidecar.accept.identity import Caller, Identity
from sidecar.kit.value_class import value_class
from sidecar.model.callback_url import WebhookUrl, parse_webhook_url
from sidecar.model.errors import ProblemError
from sidecar.model.headers import is_text, onward_block
from sidecar.model.prefer import Preference, apply_preferences
from sidecar.model.problems import Problem
from sidecar.model.route import Gather
from sidecar.model.stored import StoredObject
from sidecar.model.trace import continue_trace, is_traceparent
from sidecar.settings.route_table import Match

MAX_UPLOAD_URL = 4096  # bytes; signatures with session tokens are long
LOOP_MARKER = "x-async-sidecar"
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}\Z")
_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"\Z|([\x21\x23-\x7e]{1,255})\Z')

Headers = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class AcceptRules:
    """The settings that reading a request needs. ``wait`` and ``max_wait`` are seconds."""

    identity: Identity
    correlation: tuple[str, ...]
    wait: float
    max_wait: float
    require_https: bool
    callbacks_url: str
    marker: str
    uploads: bool = False  # upload-url is served: there is an object store to put results from
    own_callbacks: str = field(init=False)  # what no callback-url may begin with, its port always written

    def __post_init__(self) -> None:
        """Read our own callback address as a caller's is read, so that spellings do not matter."""
        own = parse_webhook_url(self.callbacks_url)
        object.__setattr__(self, "own_callbacks", f"{own.origin}{own.path.rstrip('/')}/callbacks/")


@value_class
class AcceptRequest:
    """A request whose headers are in order."""

    callback: WebhookUrl
    correlation_id: str
    caller: Caller
    preference: Preference
    idempotency_key: str | None
    traceparent: str
    headers: bytes  # what travels on to the services
    upload: WebhookUrl | None = None  # where the caller wants its result to be put
    sent_trace: str | None = None  # the caller's own traceparent, as it came


def index_headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, list[bytes]]:
    """Gather header values under lower-case names."""
    index: dict[str, list[bytes]] = {}
    for name, value in raw:
        lower = name.decode("latin-1").lower()
        if lower in index:
            index[lower].append(value)
        else:
            index[lower] = [value]
    return index


def correlation_of(headers: Headers, names: Sequence[str]) -> str:
    """Find the correlation id under the first of the configured names that is there, else make one.

    Raises:
        ProblemError: 400, when that header is there and unusable.
    """
    for name in names:
        values = headers.get(name)
        if not values:
            continue
        text = values[0].decode("latin-1")
        if len(values) > 1 or not _CORRELATION.match(text):
            detail = f"Send {name} once, with 1 to 128 visible ASCII characters, or leave it out."
            raise ProblemError(Problem(400, "correlation_id_invalid", detail))
        return text
    return str(uuid7())


def read_request(
    raw: Sequence[tuple[bytes, bytes]], headers: Headers, correlation_id: str, *, caller: Caller, rules: AcceptRules
) -> AcceptRequest:
    """Check everything that the headers say; ``caller`` is what a verified gateway says.

    Raises:
        ProblemError: 400, 403 or 508; the detail names the header and never repeats its value.
    """
    if any(rules.marker in _listed(value) for value in headers.get(LOOP_MARKER, ())):
        detail = "This request was sent by this sidecar; a service URL or the gateway's route leads back to it."
        raise ProblemError(Problem(508, "loop_detected", detail))
    callback = _callback_url(headers, rules)
    upload = read_upload_url(headers, rules) if "upload-url" in headers else None
    _check_text(raw)
    key = _idempotency_key(headers)
    sent_trace = _single_text(headers, "traceparent")
    withheld = rules.identity.withheld
    drop = withheld if is_traceparent(sent_trace) else withheld | {"tracestate"}
    more = [(LOOP_MARKER.encode(), value) for value in headers.get(LOOP_MARKER, ())]  # of other installations
    if key is not None:
        more.append((b"x-original-idempotency-key", key.encode()))
    return AcceptRequest(
        callback=callback,
        correlation_id=correlation_id,
        caller=caller,
        preference=apply_preferences(
            [value.decode("latin-1") for value in headers.get("prefer", ())],
            wait=rules.wait,
            max_wait=rules.max_wait,
        ),
        idempotency_key=key,
        traceparent=continue_trace(sent_trace),
        headers=onward_block(raw, drop=drop, more=more),
        upload=upload,
        sent_trace=sent_trace,
    )


def read_upload_url(headers: Headers, rules: AcceptRules) -> WebhookUrl:
    """Check the form of the caller's own place for the result, a pre-signed URL for PUT.

    Raises:
        ProblemError: 400.
    """
    if not rules.uploads:
        detail = "No object store is configured here: every result goes to the callback-url; leave out upload-url."
        raise ProblemError(Problem(400, "upload_url_unsupported", detail))
    values = headers["upload-url"]
    if len(values) > 1:
        raise ProblemError(Problem(400, "upload_url_invalid", "Send the header upload-url once at most."))
    try:
        url = parse_webhook_url(values[0].decode("latin-1"), max_bytes=MAX_UPLOAD_URL)
    except ValueError as error:
        raise ProblemError(Problem(400, "upload_url_invalid", f"The upload-url cannot be used: {error}.")) from error
    if rules.require_https and url.scheme != "https":
        raise ProblemError(Problem(400, "upload_url_invalid", "The upload-url cannot be used: use https."))
    return url


def check_one_result(request: AcceptRequest, match: Match) -> None:
    """Refuse an upload-url where several results could come: one URL takes one object.

    Raises:
        ProblemError: 400.
    """
    if request.upload is not None and len(match.calls) > 1 and match.route.gather is not Gather.ALL:
        detail = "This route sends one result for each of several services; leave out upload-url."
        raise ProblemError(Problem(400, "upload_url_ambiguous", detail))


def fingerprint(*, callback_url: str, target: str, body: bytes | StoredObject) -> bytes:
    """Tell whether two requests with one idempotency key are the same: target with its query, callback-url, body."""
    digest = hashlib.sha256()
    # A body's own length is never 2^64 - 1, so that no small body looks like the digest of a stored one.
    stored = b"" if isinstance(body, bytes) else b"\xff" * 8 + body.sha256
    for part in (target.encode(), callback_url.encode(), body if isinstance(body, bytes) else b""):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    digest.update(stored)
    return digest.digest()


def key_scope(*, application: str, method: str, path: str, sandbox: bool = False) -> str:
    """Name the scope of an idempotency key, so that nobody replays another application's answer, or the sandbox's."""
    more = "\nsandbox" if sandbox else ""
    return hashlib.sha256(f"{application}\n{method}\n{path}{more}".encode()).hexdigest()


def _callback_url(headers: Headers, rules: AcceptRules) -> WebhookUrl:
    values = headers.get("callback-url", ())
    if not values:
        detail = "Send the header callback-url with the address of your webhook, an absolute https URL."
        raise ProblemError(Problem(400, "callback_url_missing", detail))
    if len(values) > 1:
        detail = "Send the header callback-url exactly once."
        raise ProblemError(Problem(400, "callback_url_repeated", detail))
    try:
        url = parse_webhook_url(values[0].decode("latin-1"))
    except ValueError as error:
        raise ProblemError(
            Problem(400, "callback_url_invalid", f"The callback-url cannot be used: {error}.")
        ) from error
    if (url.origin + url.path).startswith(rules.own_callbacks):
        detail = "The callback-url points at the sidecar itself; send the address of your webhook."
        raise ProblemError(Problem(400, "callback_url_invalid", detail))
    if rules.require_https and url.scheme != "https":
        raise ProblemError(Problem(403, "callback_url_refused", "This callback-url may not be called; use https."))
    return url


def _check_text(raw: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse what cannot be sent on as it came: header values travel as UTF-8."""
    try:
        b"\n".join([value for _, value in raw]).decode()
    except UnicodeDecodeError:
        name = next(name for name, value in raw if not is_text(value))
        detail = f"The value of the header {name.decode('latin-1')[:64]} is not UTF-8."
        raise ProblemError(Problem(400, "header_invalid", detail)) from None


def _idempotency_key(headers: Headers) -> str | None:
    values = headers.get("idempotency-key")
    if not values:
        return None
    match = _KEY.match(values[0].decode("latin-1"))
    if len(values) > 1 or match is None:
        detail = "Send idempotency-key once, with 1 to 255 visible ASCII characters, bare or in double quotes."
        raise ProblemError(Problem(400, "idempotency_key_invalid", detail))
    return match[1] or match[2]


def _listed(value: bytes) -> list[str]:
    return [item.strip() for item in value.decode("latin-1").split(",")]  # a proxy may have joined several


def _single_text(headers: Headers, name: str) -> str | None:
    values = headers.get(name, ())
    return values[0].decode("latin-1").strip() if len(values) == 1 else None
