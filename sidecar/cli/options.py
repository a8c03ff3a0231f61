"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="SIDECAR_CONFIG",
        help="The settings file. Without it: sidecar.yaml, if it is there, and the environment.",
    ),
]
"""The settings file, for :func:`sidecar.settings.load.load_settings`."""
