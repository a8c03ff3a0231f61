"""``sidecar route test``: which route a request takes and what its services are called with, or why not."""

import difflib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Annotated

import typer

from sidecar.cli.options import ConfigFile
from sidecar.model.errors import ProblemError
from sidecar.model.route import Completion
from sidecar.settings.load import load_settings
from sidecar.settings.media_types import match_media_type
from sidecar.settings.route_table import Match, RouteTable
from sidecar.settings.units import render_duration

EXIT_NO_ROUTE = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    route = typer.Typer(no_args_is_help=True)
    route.callback()(_group)
    route.command("test")(try_request)
    app.add_typer(route, name="route", help="Try the route table.")


def _group() -> None:
    """Try the route table."""


def try_request(
    method: Annotated[str, typer.Argument(help="The method of the request, like POST.")],
    path: Annotated[str, typer.Argument(help="Its path and query, as the sidecar receives them.")],
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="A header, 'name: value'; content-type counts.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="As with a sandbox key.")] = False,
    config: ConfigFile = None,
) -> None:
    """Tell which route a request takes and which URLs are called, or why none (exit 1) and which route is nearest."""
    headers = _parse_headers(header or [])
    table = RouteTable(load_settings(config).routes)
    sandbox = sandbox or headers.get("x-api-key-type", "").upper() == "SANDBOX"
    try:
        match = table.match(method.upper(), path, sandbox=sandbox)
    except ProblemError as error:
        print(f"{error.problem.status} {error.problem.code}: {error.problem.title}. {error.problem.detail}")
        print("\n".join(_nearest(table, path)))
        raise typer.Exit(EXIT_NO_ROUTE) from None
    if "content-type" in headers and not match_media_type(match.route.accepts, headers["content-type"]):
        print(f"415 media_type_unsupported: {match.route.path} takes {', '.join(match.route.accepts)}")
        raise typer.Exit(EXIT_NO_ROUTE)
    print("\n".join(_describe(match)))


def _describe(match: Match) -> Iterator[str]:

    route = match.route
    yield f"{route.path}  (gather {route.gather}, deadline {render_duration(route.deadline)})"
    for call in match.calls:
        awaited = "response" if call.completion is Completion.RESPONSE else "acknowledgement"
        yield f"  {call.service}  {call.url}"
        yield (
            f"    completion {call.completion}, {awaited} within {render_duration(call.timeout)},"
            f" retry {'short' if call.retry else 'none'}, repeat {'allowed' if call.repeat else 'never'}"
        )


def _nearest(table: RouteTable, path: str) -> Iterator[str]:
    asked = path.partition("?")[0]
    filled = {_filled(route.path, asked): route for route in table.routes}
    near = difflib.get_close_matches(asked, filled, n=1, cutoff=0.3)
    if near:
        route = filled[near[0]]
        yield f"The nearest route is {','.join(route.methods)} {route.path}"
    else:
        yield f"The routes are {', '.join(route.path for route in table.routes)}"


def _filled(template: str, path: str) -> str:
    """Put what was asked for where the variables of a route stand, since they would take it."""
    pairs = zip_longest(template.split("/"), path.split("/"))
    return "/".join(asked or part if part.startswith("{") else part for part, asked in pairs if part is not None)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter("write it as 'name: value'", param_hint="--header")
        headers[name.strip().lower()] = value.strip()
    return headers
