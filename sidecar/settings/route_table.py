"""The route table: which route a request takes, and what its services are called with."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.kit.value_class import value_class
from sidecar.model.errors import ConfigError, ProblemError
from sidecar.model.problems import Problem
from sidecar.model.route import ServiceCall
from sidecar.settings.media_types import match_media_type
from sidecar.settings.route_compile import CompiledRoute, Route, compile_route
from sidecar.settings.route_rules import route_troubles
from sidecar.settings.route_target import Target, parse_target
from sidecar.settings.routes import RouteSettings


@value_class
class Match:
    """The route of a request, and one rendered call for each of its services."""

    route: Route
    calls: tuple[ServiceCall, ...]


@dataclass(slots=True)
class _Node:
    """What may follow one segment: a literal, else a variable. ``ends`` are the routes that end here, by method."""

    literals: "dict[str, _Node]" = field(default_factory=dict)
    variable: "_Node | None" = None
    ends: dict[str, CompiledRoute] = field(default_factory=dict)


class RouteTable:
    """Find the route of a request. A literal segment beats a variable one, from left to right.

    A route whose path fits but whose method does not leaves the request to the next one; 405 comes when none is left.

    Raises:
        ConfigError: a route cannot be served, or two of them could take the same request; it names all troubles.
    """

    def __init__(self, routes: Sequence[RouteSettings]) -> None:
        troubles: list[str] = []
        self._root = _Node()
        self._literal: dict[str, dict[str, CompiledRoute]] = {}
        self.routes: tuple[Route, ...] = ()
        for index, settings in enumerate(routes):
            here = list(route_troubles(f"routes[{index}]", settings))
            compiled = compile_route(settings)
            here.extend(self._add(f"routes[{index}]", compiled))
            troubles.extend(here)
            self.routes += (compiled.route,)
        if troubles:
            raise ConfigError("\n".join(troubles))

    def match(self, method: str, raw_target: str, *, sandbox: bool = False) -> Match:
        """Find the route of a raw request target (path and query, still percent-encoded) and render its calls.

        Raises:
            ProblemError: ``path_invalid``, ``query_invalid``, ``route_unknown``, ``method_not_allowed`` (with
                ``Allow``) or ``sandbox_unavailable``.
        """
        target = parse_target(raw_target)
        ends = self._literal.get(target.path)
        compiled = ends.get(method) if ends else None
        values: dict[str, str] = {}
        if compiled is None:
            compiled = self._search(method, target)
            values = _values(compiled, target)
        calls = compiled.calls(values, target.query, sandbox=sandbox)
        if calls is None:
            detail = f"The route {compiled.route.path} has no sandbox for each of its services; use a production key."
            raise ProblemError(Problem(403, "sandbox_unavailable", detail))
        return Match(compiled.route, calls)

    def _search(self, method: str, target: Target) -> CompiledRoute:
        allowed: set[str] = set()
        found = _descend(self._root, target.canonical, method, allowed)
        if found is not None:
            return found
        if allowed:
            allow = ", ".join(sorted(allowed))
            detail = f"This path takes {allow}."
            raise ProblemError(Problem(405, "method_not_allowed", detail, headers={"allow": allow}))
        raise ProblemError(Problem(404, "route_unknown", "Check the path, and the routes of the sidecar."))

    def _add(self, where: str, compiled: CompiledRoute) -> list[str]:
        node = self._root
        for segment in compiled.template.segments:
            if segment is None:
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        troubles = [
            f"{where}.path: {compiled.route.path} takes the same {method} requests as {node.ends[method].route.path};"
            " change the path or the methods of one of them"
            for method in dict.fromkeys(compiled.route.methods)
            if method in node.ends
        ]
        for method in compiled.route.methods:
            node.ends.setdefault(method, compiled)
        if not compiled.template.variables:
            self._literal["/" + "/".join(map(str, compiled.template.segments))] = node.ends
        return troubles


def check_media_type(accepts: tuple[str, ...], content_type: str | None) -> None:
    """Refuse a Content-Type that no media range covers.

    Raises:
        ProblemError: ``media_type_unsupported``, with the ranges in ``Accept`` (RFC 9110, section 15.5.16).
    """
    if not match_media_type(accepts, content_type):
        ranges = ", ".join(accepts)
        raise ProblemError(
            Problem(415, "media_type_unsupported", f"This route takes {ranges}.", headers={"accept": ranges})
        )


def _descend(node: _Node, segments: tuple[str, ...], method: str, allowed: set[str]) -> CompiledRoute | None:
    """Look through the nodes that fit: each at most once, since there is one way to each."""
    if not segments:
        allowed.update(node.ends)
        return node.ends.get(method)
    rest = segments[1:]
    literal = node.literals.get(segments[0])
    found = _descend(literal, rest, method, allowed) if literal else None
    if found is None and node.variable is not None:
        found = _descend(node.variable, rest, method, allowed)
    return found


def _values(compiled: CompiledRoute, target: Target) -> dict[str, str]:
    """Take the variables exactly as they were sent."""
    pairs = zip(compiled.template.segments, target.segments, strict=True)
    return dict(zip(compiled.template.variables, (sent for text, sent in pairs if text is None), strict=True))
