"""The command ``sidecar``: each module here that has ``register(app)`` is a command of the module's name.

Only the module of the command that runs is imported, so that one command does not pay for another.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from sidecar import __version__
from sidecar.model.errors import ConfigError, SidecarError

EXIT_CONFIG = 2
"""Exit status for settings that cannot be served, as for a wrong command line."""


def main() -> None:
    """Run the command line; what goes wrong is told without a traceback: settings with exit status 2, others with 1."""
    try:
        build_app(sys.argv[1:])(prog_name="sidecar")
    except ConfigError as error:
        print(f"sidecar: the settings cannot be served\n{indented(error)}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except SidecarError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        sys.exit(1)


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Gather the command that the arguments begin with, else all of them in the order of their names."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_root)
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    wanted = arguments[0] if arguments else ""
    for name in [wanted] if wanted in modules else modules:
        register = getattr(importlib.import_module(f"{__name__}.{name}"), "register", None)
        if register is not None:
            register(app)
    return app


def indented(error: ConfigError) -> str:
    """Put each problem on a line of its own, a little to the right."""
    return "\n".join(f"  {line}" for line in str(error).splitlines())


def _tell_version(on: bool) -> None:
    if on:
        print(f"sidecar {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Tell the version and exit.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Asynchronous REST through webhooks, beside a WSO2 gateway: accept, fan out, gather, deliver, lose nothing."""
