"""How commands of operators reach the ledger: over the database, or over the admin API of a running sidecar."""

import getpass
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from sidecar.cli.database import ledger_config
from sidecar.cli.options import ConfigFile
from sidecar.ledger.operator import operator_ledger
from sidecar.model.audit import Actor
from sidecar.model.errors import LedgerUnavailable
from sidecar.operate.local import EndpointNames, LocalOperator
from sidecar.operate.ports import Operator
from sidecar.settings.load import load_settings

PATIENCE = 60.0  # seconds: people wait longer for a statement than the flow does

P = ParamSpec("P")

Api = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="URL",
        envvar="SIDECAR_API",
        help="Ask the admin listener of a running sidecar, like http://sidecar:8082, instead of the database.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="SIDECAR_API_TOKEN_FILE", help="File with a token of admin.tokens, for --api."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Full = Annotated[bool, typer.Option("--full", help="Show the callback-url with its path; never what follows '?'.")]

__all__ = [
    "PATIENCE",
    "Api",
    "ConfigFile",
    "Full",
    "Json",
    "TokenFile",
    "Way",
    "open_operator",
    "somebody",
    "telling_of_outages",
]


@dataclass(frozen=True, slots=True)
class Way:
    """Which way a command goes: ``api`` with a token, else the database of the settings file."""

    config: Path | None
    api: str | None = None
    token_file: Path | None = None


@asynccontextmanager
async def open_operator(way: Way) -> AsyncIterator[Operator]:
    """Open the way, and close it at the end.

    Raises:
        LedgerUnavailable: The database, or the sidecar that was named, is away.
        ConfigError: The settings or the schema cannot be served.
        typer.BadParameter: The way is not told in full.
    """
    if way.api is not None:
        from sidecar.operate.remote import remote_operator  # noqa: PLC0415 - aiohttp is loaded only when needed

        async with remote_operator(way.api, token=_token(way.token_file)) as remote:
            yield remote
        return
    settings = load_settings(way.config)
    async with operator_ledger(ledger_config(settings.database, patience=PATIENCE)) as ledger:
        names = EndpointNames(settings.webhook)
        yield LocalOperator(ledger, by=somebody(), names=names, retention=settings.retention.jobs)


def telling_of_outages(command: Callable[P, None]) -> Callable[P, None]:
    """Say what helps when the database is away, and exit with 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LedgerUnavailable as error:
            print(f"sidecar: {error}; look at it with: sidecar config check --online", file=sys.stderr)
            raise typer.Exit(1) from None

    return run


def somebody() -> Actor:
    """Name who runs the command, for the audit."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return Actor(f"{user}@{socket.gethostname()}"[:128], "cli")


def _token(file: Path | None) -> str:
    if file is None:
        raise typer.BadParameter(
            "--api needs a token of admin.tokens; name the file that holds it", param_hint="--token-file"
        )
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {type(error).__name__}", param_hint="--token-file") from None
    if not token:
        raise typer.BadParameter(f"{file} is empty", param_hint="--token-file")
    return token
