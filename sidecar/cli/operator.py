"""How commands of operators reach the ledger."""

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

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Full = Annotated[bool, typer.Option("--full", help="Show the callback-url with its path; never what follows '?'.")]

__all__ = ["PATIENCE", "ConfigFile", "Full", "Json", "Way", "open_operator", "somebody", "telling_of_outages"]


@dataclass(frozen=True, slots=True)
class Way:
    """Which way a command goes: to the database of the settings file."""

    config: Path | None


@asynccontextmanager
async def open_operator(way: Way) -> AsyncIterator[Operator]:
    """Open the way, and close it at the end.

    Raises:
        LedgerUnavailable: The database is away.
        ConfigError: The settings or the schema cannot be served.
    """
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
