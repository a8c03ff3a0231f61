"""``sidecar migrate``: bring the database's schema up to date."""

import asyncio

import typer

from sidecar.cli.options import ConfigFile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(config: ConfigFile = None) -> None:
    """Apply the migrations that are missing; several at once wait for each other.

    Give it a direct connection to Postgres, not one through a pooler.
    """
    from sidecar.ledger import migrate as apply  # noqa: PLC0415 - commands load what they need, when they run
    from sidecar.settings.load import load_settings  # noqa: PLC0415

    database = load_settings(config).database
    applied = asyncio.run(
        apply(
            database.dsn.get_secret_value(),
            password=database.password.get_secret_value() if database.password else None,
            password_file=database.password_file,
        )
    )
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("the schema is up to date")
