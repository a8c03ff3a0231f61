"""Header blocks: how headers are kept with a job, and which of them travel on.

A block is what stood on the wire, ``name: value`` lines joined by CRLF, as bytes: exact, compact, readable in psql.
"""

import re
from collections.abc import Collection, Iterable

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 section 7.6.1, and the two that proxies invented."""

OURS = frozenset(
    {
        "callback-url",
        "upload-url",
        "content-length",
        "expect",
        "host",
        "idempotency-key",
        "prefer",
        "result-upload-url",
        "traceparent",
        "x-async-sidecar",
        "x-correlation-id",
        "x-job-id",
        "x-original-callback-url",
        "x-original-idempotency-key",
    }
)
"""Set anew on every onward call, so never copied from the caller."""

GATEWAY_IDENTITY = frozenset({"x-api-context", "x-api-version", "x-api-application", "x-api-key-type"})
"""Set by the gateway for the sidecar alone."""

CONTENT = ("content-type", "content-encoding", "content-language", "content-disposition")
"""What describes a body and therefore travels with it to the webhook."""

# The same as they stand on the wire, where they need not be decoded to be compared.
_CONTENT = frozenset(name.encode() for name in CONTENT)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NEVER_ONWARD = frozenset(name.encode() for name in HOP_BY_HOP | OURS | GATEWAY_IDENTITY)


def encode_block(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Join raw header pairs, as the parser gave them, into a block."""
    return b"\r\n".join([b"%b: %b" % pair for pair in pairs])


def decode_block(block: bytes) -> list[tuple[str, str]]:
    """Split a block into names and values.

    Raises:
        UnicodeDecodeError: A value is not UTF-8; accept refuses such headers, so a stored block never is.
    """
    if not block:
        return []
    pairs = []
    for line in block.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        pairs.append((name, value))
    return pairs


def raw_pairs(block: bytes) -> list[tuple[bytes, bytes]]:
    """Split a block into names and values as they were on the wire."""
    found = [line.partition(b": ") for line in block.split(b"\r\n")] if block else []
    return [(name, value) for name, _, value in found]


def onward_block(
    raw: Iterable[tuple[bytes, bytes]], *, drop: Collection[str], more: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Keep the end-to-end headers of a request: all but hop-by-hop, ours, the gateway's, and ``drop``; add ``more``.

    Headers that ``Connection`` names are hop-by-hop too (RFC 9110 section 7.6.1).
    """
    pairs = list(raw)
    names = [name.lower() for name, _ in pairs]
    dropped = {name.encode() for name in drop}
    if b"connection" in names:
        for name, (_, value) in zip(names, pairs, strict=True):
            if name == b"connection":
                dropped.update(token.strip().lower() for token in value.split(b","))
    kept = [pair for name, pair in zip(names, pairs, strict=True) if name not in _NEVER_ONWARD and name not in dropped]
    return encode_block([*kept, *more])


def content_block(raw: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Keep the headers that describe the body, but for those that cannot be sent on: control characters, not UTF-8."""
    return encode_block(
        [
            (name, value)
            for name, value in raw
            if name.lower() in _CONTENT and is_text(value) and not _CONTROL.search(value)
        ]
    )


def is_text(value: bytes) -> bool:
    """Tell whether a value can be sent on: header values travel as UTF-8."""
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def media_type(block: bytes) -> str | None:
    """Return the content type of a block, without parameters and in lower case."""
    for name, value in decode_block(block):
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return None
