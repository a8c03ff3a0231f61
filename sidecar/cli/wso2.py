"""``sidecar wso2``: configuration for WSO2 gateways, made of the routes."""

from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.options import ConfigFile
from sidecar.model.errors import ConfigError
from sidecar.settings.load import load_routes
from sidecar.settings.routes import RouteSettings
from sidecar.wso2.operations import common_base
from sidecar.wso2.site import make_site
from sidecar.wso2.targets import ROUTINGS, TARGETS, Files, make_plan, render

_PANEL = "Where things are"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    wso2 = typer.Typer(no_args_is_help=True)
    wso2.callback()(_group)
    wso2.command("targets")(list_targets)
    wso2.command("render")(render_target)
    app.add_typer(wso2, name="wso2", help="Write configuration for WSO2 gateways.")


def _group() -> None:
    """Write configuration for WSO2 gateways."""


def list_targets() -> None:
    """Tell what can be rendered."""
    width = max(map(len, TARGETS))
    for name, target in TARGETS.items():
        print(f"{name:{width}}  {target.about}")


def render_target(
    *,
    target: Annotated[str, typer.Option("--target", "-t", help="What to write: see `sidecar wso2 targets`, or all.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to; it is made if it is not there.")],
    sidecar_url: Annotated[
        str, typer.Option(help="The sidecar's gateway listener as the gateway reaches it.", rich_help_panel=_PANEL)
    ],
    backend_url: Annotated[str, typer.Option(help="What serves the API without callback-url.", rich_help_panel=_PANEL)],
    sandbox_backend_url: Annotated[
        str | None, typer.Option(help="The same for sandbox keys. Default: the backend.", rich_help_panel=_PANEL)
    ] = None,
    api_name: Annotated[str | None, typer.Option(help="Name of the API. Default: made of the context.")] = None,
    api_version: Annotated[str, typer.Option(help="Version of the API.")] = "1.0.0",
    context: Annotated[
        str | None, typer.Option(help="Context of the API, without version. Default: the last part of the base path.")
    ] = None,
    base_path: Annotated[
        str | None,
        typer.Option(help="What the routes of this API begin with. Default: what all routes of the file begin with."),
    ] = None,
    key: Annotated[
        str, typer.Option(help="Where the gateway reads its secret: env:NAME, system:NAME, vault:ALIAS or none.")
    ] = "env:SIDECAR_GATEWAY_KEY",
    key_header: Annotated[str, typer.Option(help="As gateway.identity.header in the settings.")] = "x-sidecar-key",
    backend_jwt: Annotated[bool, typer.Option("--backend-jwt", help="The gateway signs a JWT for backends.")] = False,
    backend_timeout: Annotated[int, typer.Option(help="Longest time for the backend, in seconds.")] = 60,
    routing: Annotated[str, typer.Option(help=f"How an api-project steers: {', '.join(ROUTINGS)}.")] = "policy",
    environment: Annotated[str, typer.Option(help="Name of the environment in apictl.")] = "onprem",
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there and differ.")] = False,
    config: ConfigFile = None,
) -> None:
    """Write the configuration of one API for one kind of gateway; nothing is written unless all of it is in order."""
    _one_of("--target", target, [*TARGETS, "all"])
    _one_of("--routing", routing, ROUTINGS)
    routes = load_routes(config)
    base = _base_path(base_path, routes)
    last = base.rpartition("/")[2]
    if not last and (context is None or api_name is None):
        raise ConfigError("--base-path: the routes have no beginning in common; give it, or --context and --api-name")
    site = make_site(
        api=api_name or "".join(word.capitalize() for word in last.replace("_", "-").split("-")) + "API",
        context=context or last,
        version=api_version,
        base_path=base,
        sidecar_url=sidecar_url,
        backend_url=backend_url,
        sandbox_backend_url=sandbox_backend_url,
        key=key,
        key_header=key_header,
        backend_jwt=backend_jwt,
        backend_timeout=backend_timeout,
        environment=environment,
    )
    plan = make_plan(site, routes, routing=routing)
    if target == "all":
        files = {f"{name}/{path}": text for name in TARGETS for path, text in render(name, plan).items()}
    else:
        files = render(target, plan)
    _write(out, files, force=force)


def _one_of(option: str, given: str, known: object) -> None:
    names = list(known)  # type: ignore[call-overload]
    if given not in names:
        raise typer.BadParameter(f"choose one of {', '.join(names)}", param_hint=option)


def _base_path(given: str | None, routes: tuple[RouteSettings, ...]) -> str:
    return common_base(routes) if given is None else "/" + given.strip("/") if given.strip("/") else ""


def _write(out: Path, files: Files, *, force: bool) -> None:
    """Write all files, or none where one is there and differs.

    Raises:
        ConfigError: a file is in the way.
    """
    taken = [path for path in files if (out / path).exists() and (out / path).read_text("utf-8") != files[path]]
    if taken and not force:
        raise ConfigError(f"--out: {', '.join(taken)} would be changed in {out}; add --force, or choose another folder")
    for path, text in files.items():
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        print(place)
