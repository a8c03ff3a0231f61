"""``sidecar dev``: try the sidecar on this machine, with everything it needs."""

from pathlib import Path
from typing import Annotated

import typer


def dev(
    config: Annotated[
        Path | None,
        typer.Option(help="Your own settings; the database and the listeners are replaced by embedded, local ones."),
    ] = None,
    tour: Annotated[
        bool, typer.Option("--tour", help="Run sample jobs through the demo routes and explain them.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="Where data, logs and generated settings are kept.")] = Path(
        ".sidecar"
    ),
) -> None:
    """Run a sidecar on an embedded Postgres, on loopback, with a demo webhook and demo services; Ctrl-C stops it.

    Without --config the demo routes are served. The data is kept for the next time.
    """
    from sidecar.dev.session import DevOptions, run_dev  # noqa: PLC0415 - the embedded parts are heavy, and optional

    if tour and config:
        raise typer.BadParameter("the tour walks the demo routes; leave out --config or --tour")
    raise typer.Exit(run_dev(DevOptions(directory=directory.resolve(), config=config, tour=tour)))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(dev)
