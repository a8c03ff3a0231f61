"""``sidecar endpoints``: which webhooks are away, what waits for them, and hold or resume them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console

from sidecar.cli.job_text import as_json, endpoint_table
from sidecar.cli.operator import Api, ConfigFile, Json, TokenFile, Way, open_operator, telling_of_outages
from sidecar.model.seen_endpoints import EndpointView
from sidecar.operate.ports import Operator
from sidecar.settings.units import parse_duration

PAGE = 200
PIPE_WIDTH = 240  # characters: nobody wants lines folded in a file

Endpoint = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="The endpoint as the list shows it, or its name in the settings.")
]


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if seconds < 1:
        raise typer.BadParameter("choose at least a second")
    return seconds


For = Annotated[
    float | None,
    typer.Option("--for", parser=_seconds, metavar="TIME", help="How long, like 2h; else until it is resumed."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    endpoints = typer.Typer(no_args_is_help=True)
    for command in (list_, show, pause, resume):
        endpoints.command(command.__name__.rstrip("_"))(telling_of_outages(command))
    app.add_typer(endpoints, name="endpoints", help="Webhooks that are away: see them, pause and resume them.")


def list_(*, json: Json = False, config: ConfigFile = None, api: Api = None, token_file: TokenFile = None) -> None:
    """List the endpoints of which something is known: away, held, or with messages that wait."""
    asyncio.run(_list(Way(config, api, token_file), json=json))


async def _list(way: Way, *, json: bool) -> None:
    async with open_operator(way) as operator:
        found = [view async for view in _all(operator)]
        await _print(operator, found, json=json)
    if not found:
        print("sidecar: all is well: no endpoint is away, and nothing waits", file=sys.stderr)


async def _all(operator: Operator) -> AsyncIterator[EndpointView]:
    cursor: str | None = None
    while True:
        page = await operator.endpoints(cursor=cursor, limit=PAGE)
        for view in page.endpoints:
            yield view
        cursor = page.cursor
        if cursor is None:
            return


def show(
    *,
    endpoint: Endpoint,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Tell what is known of one endpoint, and what waits there."""
    asyncio.run(_show(endpoint, Way(config, api, token_file), json=json))


async def _show(endpoint: str, way: Way, *, json: bool) -> None:
    async with open_operator(way) as operator:
        await _print(operator, [await operator.endpoint(endpoint)], json=json)


def pause(
    *,
    endpoint: Endpoint,
    reason: Annotated[str, typer.Option(help="Why, for the others who operate this.")],
    for_: For = None,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Send nothing to an endpoint, until it is resumed. Every replica heeds it at its next scan; nothing expires."""
    asyncio.run(_pause(endpoint, reason, for_, Way(config, api, token_file), json=json))


async def _pause(endpoint: str, reason: str, seconds: float | None, way: Way, *, json: bool) -> None:
    async with open_operator(way) as operator:
        held = await operator.pause(endpoint, reason=reason, seconds=seconds)
        await _print(operator, [held], json=json)


def resume(*, endpoint: Endpoint, config: ConfigFile = None, api: Api = None, token_file: TokenFile = None) -> None:
    """Let messages go to an endpoint again; an open circuit may be probed at once. Exit 1 when nothing kept them."""
    if not asyncio.run(_resume(endpoint, Way(config, api, token_file))):
        print("sidecar: nothing kept messages from this endpoint", file=sys.stderr)
        raise typer.Exit(1)
    print("resumed; what waited has its whole time again")


async def _resume(endpoint: str, way: Way) -> bool:
    async with open_operator(way) as operator:
        return await operator.resume(endpoint)


async def _print(operator: Operator, views: list[EndpointView], *, json: bool) -> None:
    if json:
        print(*map(as_json, views), sep="\n", end="\n" if views else "")
    elif views:
        screen = Console(highlight=False)
        Console(width=None if screen.is_terminal else PIPE_WIDTH, highlight=False).print(
            endpoint_table(views, await operator.now())
        )
