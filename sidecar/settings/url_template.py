"""Templates: the path of a route, and the URLs of services that use its variables."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from sidecar.settings.addresses import origin, split_http_url
from sidecar.settings.route_target import canonical_segment, segment_fault

_VARIABLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_BRACE: Final = re.compile(r"[{}]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SEPARATOR: Final = re.compile(r"[&;]")
_SEGMENT_SAFE: Final = "!$&'()*+,;=:@~%"
# Characters that stand bare in a path segment, but would begin another parameter or mean a space in a query.
_IN_QUERY: Final = str.maketrans({"&": "%26", "=": "%3D", "+": "%2B", ";": "%3B"})


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A route's path: per segment its canonical text, or ``None`` where a variable stands."""

    segments: tuple[str | None, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A variable in a URL, and the text that follows it."""

    variable: str
    in_query: bool
    after: str


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """A service's URL, cut at its variables. ``fixed`` are the parameters that a caller cannot override."""

    origin: str
    head: str
    slots: tuple[Slot, ...]
    has_query: bool
    fixed: frozenset[str]

    def render(self, values: dict[str, str], query: str) -> str:
        """Put percent-encoded segments and the caller's query in place."""
        url = self.head
        for slot in self.slots:
            value = values[slot.variable]
            url += (value.translate(_IN_QUERY) if slot.in_query else value) + slot.after
        if query and self.fixed:
            query = _without(query, self.fixed)
        if not query:
            return url
        return f"{url}&{query}" if self.has_query else f"{url}?{query}"


def parse_path(path: str) -> PathTemplate:
    """Read a route's path, such as ``/orders/{order_id}/report``.

    Raises:
        ValueError: it cannot be a route's path; the text says why.
    """
    if not path.startswith("/"):
        raise ValueError("must begin with a slash")
    if path.startswith("/_"):
        raise ValueError("begins with /_, which is kept for the sidecar's own resources; choose another beginning")
    if "?" in path or "#" in path:
        raise ValueError("is a path only; leave out query and fragment")
    if path == "/":
        return PathTemplate((), ())
    segments: list[str | None] = []
    variables: list[str] = []
    for part in path[1:].split("/"):
        variable = _VARIABLE.fullmatch(part)
        segments.append(None if variable else _literal(part))
        if variable:
            variables.append(variable[1])
    if len(set(variables)) != len(variables):
        raise ValueError("names a variable twice; each needs a name of its own")
    return PathTemplate(tuple(segments), tuple(variables))


def parse_url(url: str) -> UrlTemplate:
    """Read a service's URL, such as ``http://billing:9000/reports/{order_id}?lang=en``.

    Variables stand as whole segments of the path or inside values of the query.

    Raises:
        ValueError: it cannot be a service's URL; the text says why.
    """
    parts = split_http_url(url)
    if _BRACE.search(parts.netloc):
        raise ValueError("has a variable in its host or port; variables may stand in path and query only")
    for part in parts.path.split("/")[1:]:
        if not _VARIABLE.fullmatch(part):
            _check_service_segment(part)
    if _BAD_ESCAPE.search(url):
        raise ValueError("holds a bad escape; write % as %25")
    fixed = frozenset(_check_parameter(part) for part in _SEPARATOR.split(parts.query) if part)
    before_query = f"{parts.scheme.lower()}://{parts.netloc}{parts.path or '/'}"
    pieces = _VARIABLE.split(f"{before_query}?{parts.query}" if parts.query else before_query)
    path_slots = len(_VARIABLE.findall(before_query))
    names, afters = pieces[1::2], pieces[2::2]
    slots = (
        Slot(name, index >= path_slots, after) for index, (name, after) in enumerate(zip(names, afters, strict=True))
    )
    return UrlTemplate(origin(parts), pieces[0], tuple(slots), bool(parts.query), fixed)


def _literal(part: str) -> str:
    if _BRACE.search(part):
        raise ValueError(f"has the segment {part!r}; a variable takes a whole segment, like /{{order_id}}/")
    if _BAD_ESCAPE.search(part):
        raise ValueError(f"has the segment {part!r} with a bad escape; write % as %25")
    encoded = canonical_segment(quote(part, safe=_SEGMENT_SAFE))
    fault = segment_fault(encoded)
    if fault is not None:
        raise ValueError(f"has {fault}, which no request may have; leave it out")
    return encoded


def _check_service_segment(part: str) -> None:
    if _BRACE.search(part):
        raise ValueError(f"has the segment {part!r}; a variable takes a whole segment, like /{{order_id}}/")
    if part and segment_fault(part) == "a dot segment":
        raise ValueError("has a dot segment; write the path without . and ..")


def _check_parameter(part: str) -> str:
    name, _, value = part.partition("=")
    if _BRACE.search(name) or _BRACE.search(_VARIABLE.sub("", value)):
        raise ValueError("has braces in its query that are no variable; write name={variable}, or encode { as %7B")
    return unquote_plus(name)


def _without(query: str, names: frozenset[str]) -> str:
    """Drop the parameters with these names; servers that split at ``;`` too must not find one there either."""
    kept = (
        part
        for part in query.split("&")
        if names.isdisjoint(unquote_plus(piece.partition("=")[0]) for piece in part.split(";"))
    )
    return "&".join(kept)
