"""``sidecar wso2``: configuration for WSO2 gateways, made of the routes."""

from pathlib import Path

import typer

from sidecar.cli import wso2_options as options
from sidecar.cli.options import ConfigFile
from sidecar.model.errors import ConfigError
from sidecar.settings.load import load_routes
from sidecar.settings.routes import RouteSettings
from sidecar.wso2.operations import common_base
from sidecar.wso2.site import make_site
from sidecar.wso2.targets import ROUTINGS, TARGETS, Files, Plan, make_plan, render


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
    target: options.Target,
    out: options.Out,
    sidecar_url: options.SidecarUrl,
    backend_url: options.BackendUrl,
    sandbox_backend_url: options.SandboxBackendUrl = None,
    api_name: options.ApiName = None,
    api_version: options.ApiVersion = "1.0.0",
    context: options.Context = None,
    base_path: options.BasePath = None,
    key: options.Key = "env:SIDECAR_GATEWAY_KEY",
    key_header: options.KeyHeader = "x-sidecar-key",
    backend_jwt: options.BackendJwt = False,
    backend_timeout: options.BackendTimeout = 60,
    routing: options.Routing = "policy",
    environment: options.Environment = "onprem",
    force: options.Force = False,
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
        api=api_name or _api_name(last),
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
    _write(out, _rendered(target, make_plan(site, routes, routing=routing)), force=force)


def _api_name(last: str) -> str:
    """Make a name of the last part of a path: ``gold-orders`` is ``GoldOrdersAPI``."""
    return "".join(word.capitalize() for word in last.replace("_", "-").split("-")) + "API"


def _rendered(target: str, plan: Plan) -> Files:
    """Render one target; or all of them, each into a folder of its name."""
    if target != "all":
        return render(target, plan)
    return {f"{name}/{path}": text for name in TARGETS for path, text in render(name, plan).items()}


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
