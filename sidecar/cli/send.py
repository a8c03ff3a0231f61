"""``sidecar send``: send one job and show what comes of it."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.options import SecretOption, verifier_of


def send(
    url: Annotated[str, typer.Argument(help="Where to send it: the gateway's or the sidecar's address of a route.")],
    *,
    callback_url: Annotated[
        str | None, typer.Option(help="The webhook; with --listen ours, unless it is given.")
    ] = None,
    method: Annotated[str, typer.Option("--method", "-X", help="The method.")] = "POST",
    data: Annotated[str, typer.Option("--data", "-d", help="The body, @FILE, or @- for the standard input.")] = "{}",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="A header 'name: value'; repeatable.")
    ] = None,
    wait: Annotated[
        int | None, typer.Option(min=0, help="Seconds the answer may wait for services (Prefer: wait).")
    ] = None,
    listen: Annotated[bool, typer.Option("--listen", help="Receive the messages here, and end when all came.")] = False,
    listen_host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    listen_port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks one.")] = 0,
    download: Annotated[
        bool, typer.Option("--download/--no-download", help="Download and verify what messages link.")
    ] = True,
    secret: SecretOption = None,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the answer, and then for messages.")
    ] = 60.0,
) -> None:
    """Send one job, show the answer in words, and (with --listen) the messages of its services.

    Exit status: 0 when the job was accepted and, with --listen, every message came, what they link is what they
    say, and with --secret their signatures are genuine; 1 otherwise.
    """
    from sidecar.dev.sending import Listening, Sample, send_sample  # noqa: PLC0415 - aiohttp only when needed

    if callback_url is None and not listen:
        raise typer.BadParameter("give --callback-url, or --listen to receive the messages here")
    sample = Sample(url=url, method=method, headers=_headers(header or []), body=_body(data), timeout=timeout)
    listening = None
    if listen:
        listening = Listening(host=listen_host, port=listen_port, download=download, key=verifier_of(secret))
    raise typer.Exit(asyncio.run(send_sample(sample, callback_url=callback_url, wait=wait, listening=listening)))


def _headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"a header is written 'name: value', not {line!r}")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def _body(data: str) -> bytes:
    if data == "@-":
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            raise typer.BadParameter(f"the body cannot be read: {error}") from error
    return data.encode()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(send)
