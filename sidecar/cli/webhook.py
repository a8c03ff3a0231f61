"""``sidecar webhook check``: what would become of a message to a callback-url, and why, before there is one."""

import asyncio
from typing import Annotated

import typer

from sidecar.cli.options import ConfigFile
from sidecar.settings.load import load_settings

EXIT_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    webhook = typer.Typer(no_args_is_help=True)
    webhook.callback()(_group)
    webhook.command("check")(check)
    app.add_typer(webhook, name="webhook", help="Try a webhook.")


def _group() -> None:
    """Try a webhook."""


def check(
    url: Annotated[str, typer.Argument(help="The callback-url, as a caller would send it.")],
    send: Annotated[bool, typer.Option("--send", help="Send a test message, and tell what it is answered.")] = False,
    token: Annotated[bool, typer.Option(help="Whether to fetch a token for the service user.")] = True,
    config: ConfigFile = None,
) -> None:
    """Tell which rules hold for a callback-url, and try its name, its TLS and its service user; exit 1 when one fails.

    Nothing is sent to the webhook without --send. The ledger is not asked. Run it where the sidecar runs: names,
    networks and files are those of this machine.
    """
    from sidecar.cli.online import tell  # noqa: PLC0415 - commands load what they need, when they run
    from sidecar.cli.webhook_probe import WebhookProbe  # noqa: PLC0415

    probe = WebhookProbe(load_settings(config), fetch=token, send=send)
    findings = asyncio.run(probe.run(url))
    print("\n".join(tell(findings, title="Webhook")))
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(EXIT_FAILED)
