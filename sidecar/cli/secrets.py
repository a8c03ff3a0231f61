"""``sidecar secrets generate``: make the secrets that the settings ask for."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

_BYTES = 32
_PRIVATE = 0o600


class Kind(StrEnum):
    """What can be made."""

    WEBHOOK_SECRET = "webhook-secret"  # noqa: S105 - a name, not a secret
    WEBHOOK_KEY = "webhook-key"
    CALLBACK_TOKENS = "callback-tokens"
    GATEWAY_KEY = "gateway-key"
    ADMIN_TOKEN = "admin-token"  # noqa: S105 - a name, not a secret
    SEALING_KEY = "sealing-key"


@dataclass(frozen=True, slots=True)
class _Recipe:
    make: Callable[[], str]
    setting: str
    told: str
    rotates: bool = True  # the file can hold several, one a line, newest first


def _coded(prefix: str) -> str:
    return prefix + b64encode(secrets.token_bytes(_BYTES)).decode()


def _key() -> str:
    from sidecar.model.webhook_signature import new_private_key  # noqa: PLC0415 - cryptography only when needed

    return new_private_key()


def _plain() -> str:
    return secrets.token_urlsafe(_BYTES)


_RECIPES: Mapping[Kind, _Recipe] = MappingProxyType(
    {
        Kind.WEBHOOK_SECRET: _Recipe(
            lambda: _coded("whsec_"),
            "webhook.signing.secrets_file, or signing.secrets_file of one of webhook.endpoints",
            "Give it to those who verify messages by it (Standard Webhooks, v1).",
        ),
        Kind.WEBHOOK_KEY: _Recipe(
            _key,
            "webhook.signing.ed25519_key_file, or signing.ed25519_key_file of one of webhook.endpoints",
            "Receivers verify messages (Standard Webhooks, v1a) by the public key, which GET /_keys tells too:",
        ),
        Kind.CALLBACK_TOKENS: _Recipe(
            _plain,
            "callbacks.token_secrets_file",
            "Nobody else needs it. Keep the line before it for the longest deadline.",
        ),
        Kind.GATEWAY_KEY: _Recipe(
            _plain,
            "gateway.identity.secret_file, with type: shared_secret",
            "The gateway sends it in the header gateway.identity.header (x-sidecar-key).",
            rotates=False,
        ),
        Kind.ADMIN_TOKEN: _Recipe(
            _plain, "token_file of one of admin.tokens", "Send it as: Authorization: Bearer ...", rotates=False
        ),
        Kind.SEALING_KEY: _Recipe(
            lambda: _coded("seal_"),
            "sealing.keys_file",
            "Every replica needs it before one of them seals by it: add it as the last line first, then move it up.",
            rotates=False,
        ),
    }
)


def generate(
    kind: Annotated[Kind, typer.Argument(help="What it is for.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, which only its owner can read, instead of printing it.")
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="With --out: put it on top of the secrets that the file has already.")
    ] = False,
) -> None:
    """Make a secret, and tell which setting takes it. The secret alone goes to standard output."""
    recipe = _RECIPES[kind]
    if rotate and out is None:
        raise typer.BadParameter("--rotate changes a file; name it with --out")
    if rotate and not recipe.rotates:
        raise typer.BadParameter(f"{kind} has one value, or its order matters otherwise: see docs/configuration.md")
    value = recipe.make()
    if out is None:
        print(value)
    else:
        _write(out, value, rotate=rotate)
        print(f"written to {out}, mode 0600", file=sys.stderr)
    print(f"for {recipe.setting}\n{recipe.told}", file=sys.stderr)
    if kind is Kind.WEBHOOK_KEY:
        from sidecar.model.webhook_signature import PrivateKey  # noqa: PLC0415 - cryptography only when needed

        print(PrivateKey(value).public, file=sys.stderr)


def _write(out: Path, value: str, *, rotate: bool) -> None:
    """Write a file that nobody else can ever read; a rotated one is replaced all at once."""
    try:
        if not rotate:
            _create(out, value + "\n")
            return
        older = out.read_text(encoding="utf-8")
        new = out.with_name(f"{out.name}.{secrets.token_hex(4)}.new")
        _create(new, f"{value}\n{older}")
        new.replace(out)
    except FileExistsError:
        raise typer.BadParameter(f"{out} exists; choose another file, or add a secret to it by --rotate") from None
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written; {error.strerror}") from error


def _create(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(_group)
    group.command("generate")(generate)
    app.add_typer(group, name="secrets")


def _group() -> None:
    """Make the secrets that the settings ask for."""
