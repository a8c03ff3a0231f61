"""``sidecar listen``: a webhook on this machine that shows what arrives."""

import asyncio
from typing import Annotated

import typer

from sidecar.cli.options import SecretOption, verifier_of


def listen(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")] = 8090,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    status: Annotated[int, typer.Option(min=200, max=599, help="The status to answer with.")] = 204,
    delay: Annotated[float, typer.Option(min=0, help="Seconds to wait before answering.")] = 0.0,
    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Download and verify what messages link.")
    ] = True,
    secret: SecretOption = None,
) -> None:
    """Show every request that arrives: headers that matter, and the body. Ctrl-C ends it.

    With --status 503 the sidecar's repetitions can be watched.
    """
    from sidecar.dev.listening import listen_until_stopped  # noqa: PLC0415 - aiohttp is loaded only when needed

    listening = listen_until_stopped(
        host=host, port=port, status=status, delay=delay, download=download, key=verifier_of(secret)
    )
    raise typer.Exit(asyncio.run(listening))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(listen)
