"""The request target: is its path usable, and is its query (RFC 9112, section 3.2; RFC 3986, section 3.3)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem

# One segment's usual characters: no percent sign, no dot in front, no semicolon. Such a path needs no second look.
_PLAIN_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+")
_ANY_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+")
_PLAIN_QUERY: Final = re.compile(r"[!\"$&-~]*")  # visible ASCII but for # and %
_ANY_QUERY: Final = re.compile(r"(?:[!\"$&-~]|%[0-9A-Fa-f]{2})*")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_FORBIDDEN_BYTES: Final = frozenset([*range(0x20), 0x7F, *b"/\\"])


@dataclass(frozen=True, slots=True)
class Target:
    """A usable request target. ``path`` is canonical, for comparison; ``segments`` are exactly as they were sent."""

    path: str
    segments: tuple[str, ...]
    query: str  # exactly as sent, without the question mark

    @property
    def canonical(self) -> tuple[str, ...]:
        """The segments for comparison."""
        return tuple(self.path[1:].split("/")) if self.path != "/" else ()


def parse_target(raw: str) -> Target:
    """Split a raw request target, still percent-encoded, into its path and query.

    Raises:
        ProblemError: ``path_invalid`` for empty or dot segments, encoded slashes, backslashes and control characters,
            bad escapes and characters outside RFC 3986; ``query_invalid`` likewise. Its text never holds the target.
    """
    path, _, query = raw.partition("?")
    if not _PLAIN_QUERY.fullmatch(query) and not _ANY_QUERY.fullmatch(query):
        raise _invalid("query_invalid", "Percent-encode the query's special characters, as %XX with two hex digits.")
    if _PLAIN_PATH.fullmatch(path):
        return Target(path, tuple(path[1:].split("/")), query)
    return _second_look(path, query)


def canonical_segment(segment: str) -> str:
    """Write equivalent segments alike: unreserved characters bare, escapes in upper case (RFC 3986, section 6.2.2)."""
    return _ESCAPE.sub(_canonical_escape, segment) if "%" in segment else segment


def segment_fault(segment: str) -> str | None:
    """Tell what makes an encoded segment dangerous for those who decode it, or ``None``.

    ``..;x`` counts as ``..`` and ``;x`` as empty, since some servers drop what follows the semicolon first.
    """
    decoded = unquote_to_bytes(segment)
    name = decoded.partition(b";")[0]
    if not name:
        return "an empty segment"
    if name in {b".", b".."}:
        return "a dot segment"
    if not _FORBIDDEN_BYTES.isdisjoint(decoded):
        return "an encoded slash, backslash or control character"
    return None


def _second_look(path: str, query: str) -> Target:
    absolute = _ABSOLUTE.match(path)
    if absolute:  # the absolute form, which every server must take
        path = path[absolute.end() :] or "/"
    if path == "/":
        return Target("/", (), query)
    if not _ANY_PATH.fullmatch(path):
        empty = "//" in path or path.endswith("/")
        hint = "Leave out empty segments and the slash at the end." if empty else "Percent-encode special characters."
        raise _invalid("path_invalid", hint)
    segments = tuple(path[1:].split("/"))
    for segment in segments:
        fault = segment_fault(segment)
        if fault is not None:
            raise _invalid("path_invalid", f"The path holds {fault}.")
    return Target("/" + "/".join(map(canonical_segment, segments)), segments, query)


def _canonical_escape(escape: re.Match[str]) -> str:
    byte = int(escape[1], 16)
    return chr(byte) if byte in _UNRESERVED else escape[0].upper()


def _invalid(code: str, detail: str) -> ProblemError:
    return ProblemError(Problem(400, code, detail))
