"""``sidecar config``: check the settings, and print their JSON Schema."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import orjson
import typer

from sidecar.cli.options import ConfigFile
from sidecar.settings.inline_secrets import inline_secrets
from sidecar.settings.load import load_settings, read_settings_file
from sidecar.settings.root import Settings
from sidecar.settings.routes import RouteSettings
from sidecar.settings.schema import settings_schema
from sidecar.settings.tls import ListenerTls
from sidecar.settings.units import render_duration, render_size
from sidecar.settings.unserved import Unserved, unserved


def register(app: typer.Typer) -> None:
    """Add the command."""
    config = typer.Typer(no_args_is_help=True)
    config.command("check")(check)
    config.command("schema")(schema)
    app.add_typer(config, name="config", help="Check the settings, or print their JSON Schema.")


def check(
    config: ConfigFile = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the database and the object store too.")] = False,
) -> None:
    """Check the settings and tell what was understood; exit 2 when they cannot be served, 1 when a check fails."""
    settings = load_settings(config)
    left_out = unserved(settings)
    print("\n".join(describe(settings, left_out)))
    if found := list(inline_secrets(settings, read_settings_file(config))):
        print(
            "\n".join(("\nSecrets that stand in the file, for all who may read it", *(f"  {line}" for line in found)))
        )
    if any(item.fatal for item in left_out):
        print("\nsidecar: the settings cannot be served by this version, see above", file=sys.stderr)
        raise typer.Exit(2)
    if online and not _online(settings):
        raise typer.Exit(1)


def schema() -> None:
    """Print the JSON Schema of the settings file, for editors and checks."""
    print(orjson.dumps(settings_schema(), option=orjson.OPT_INDENT_2).decode())


def _online(settings: Settings) -> bool:
    from sidecar.cli.online import check_online, tell  # noqa: PLC0415 - it loads the database's and S3's clients

    findings = asyncio.run(check_online(settings))
    print("\n".join(tell(findings)))
    return all(finding.level != "fail" for finding in findings)


def describe(settings: Settings, left_out: Iterable[Unserved]) -> Iterator[str]:
    """Yield the lines that tell people what was understood; no secret is among them."""
    yield "Listeners"
    gateway, callbacks = settings.gateway, settings.callbacks
    yield f"  gateway    {gateway.listen}, {_tls(gateway.tls)}, identity {gateway.identity.type}"
    yield f"  callbacks  {callbacks.listen}, {_tls(callbacks.tls)}, services see {callbacks.base_url}"
    yield f"  admin      {settings.admin.listen}, {_tls(settings.admin.tls)}"
    yield from _limits(settings)
    yield "\nRoutes"
    for route in settings.routes:
        yield from _route(route)
    fatal = [item for item in left_out if item.fatal]
    ignored = [item for item in left_out if not item.fatal]
    if ignored:
        yield "\nUnderstood, but not served by this version"
        yield from (f"  {item.name}: {item.why}" for item in ignored)
    if fatal:
        yield "\nNot served by this version, and not safe to ignore"
        yield from (f"  {item.name}: {item.why}" for item in fatal)


def _tls(tls: ListenerTls | None) -> str:
    if tls is None:
        return "plain HTTP"
    return "TLS" if tls.client_certificates == "none" else f"TLS (client certificates {tls.client_certificates})"


def _limits(settings: Settings) -> Iterator[str]:

    retention, worker = settings.retention, settings.worker
    yield "\nLimits"
    bodies = render_size(settings.max_request_body), render_size(settings.max_callback_body)
    yield f"  bodies     requests {bodies[0]}, callbacks {bodies[1]}"
    yield f"  kept       jobs {render_duration(retention.jobs)}, bodies {render_duration(retention.bodies)}"
    yield f"  workers    dead after {render_duration(worker.dead_after)} of silence"


def _route(route: RouteSettings) -> Iterator[str]:

    accepts = f", takes {', '.join(route.accepts)}" if route.accepts else ""
    yield (
        f"  {','.join(route.methods)} {route.path}"
        f"  (gather {route.gather}, deadline {render_duration(route.deadline)}{accepts})"
    )
    for service in route.services:
        sandbox = f", sandbox {service.sandbox_url}" if service.sandbox_url else ""
        yield f"    {service.name}  {service.url}  (completion {service.completion}{sandbox})"
