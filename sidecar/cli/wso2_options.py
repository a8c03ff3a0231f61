"""The options of ``sidecar wso2 render``."""

from pathlib import Path
from typing import Annotated

import typer

from sidecar.wso2.targets import ROUTINGS

_PANEL = "Where things are"

Target = Annotated[str, typer.Option("--target", "-t", help="What to write: see `sidecar wso2 targets`, or all.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to; it is made if it is not there.")]
SidecarUrl = Annotated[
    str, typer.Option(help="The sidecar's gateway listener as the gateway reaches it.", rich_help_panel=_PANEL)
]
BackendUrl = Annotated[str, typer.Option(help="What serves the API without callback-url.", rich_help_panel=_PANEL)]
SandboxBackendUrl = Annotated[
    str | None, typer.Option(help="The same for sandbox keys. Default: the backend.", rich_help_panel=_PANEL)
]
ApiName = Annotated[str | None, typer.Option(help="Name of the API. Default: made of the context.")]
ApiVersion = Annotated[str, typer.Option(help="Version of the API.")]
Context = Annotated[
    str | None, typer.Option(help="Context of the API, without version. Default: the last part of the base path.")
]
BasePath = Annotated[
    str | None,
    typer.Option(help="What the routes of this API begin with. Default: what all routes of the file begin with."),
]
Key = Annotated[
    str, typer.Option(help="Where the gateway reads its secret: env:NAME, system:NAME, vault:ALIAS or none.")
]
KeyHeader = Annotated[str, typer.Option(help="As gateway.identity.header in the settings.")]
BackendJwt = Annotated[bool, typer.Option("--backend-jwt", help="The gateway signs a JWT for backends.")]
BackendTimeout = Annotated[int, typer.Option(help="Longest time for the backend, in seconds.")]
Routing = Annotated[str, typer.Option(help=f"How an api-project steers: {', '.join(ROUTINGS)}.")]
Environment = Annotated[str, typer.Option(help="Name of the environment in apictl.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there and differ.")]
