"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sidecar.model.webhook_signature import Verifier

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

SecretOption = Annotated[
    str | None,
    typer.Option(
        "--secret",
        envvar="SIDECAR_WEBHOOK_SECRET",
        help="Verify the messages' signatures by this secret (whsec_...) or public key (whpk_...), or @FILE.",
    ),
]
"""What a receiver verifies signatures by, for :func:`verifier_of`."""


def verifier_of(secret: str | None) -> "Verifier | None":
    """Read the option ``--secret``; of a file the first line counts.

    Raises:
        typer.BadParameter: It cannot be used; the text holds nothing of it.
    """
    from sidecar.model.webhook_signature import verifier  # noqa: PLC0415 - cryptography only when needed

    if secret is None:
        return None
    try:
        text = Path(secret[1:]).read_text(encoding="utf-8").split("\n")[0] if secret.startswith("@") else secret
        return verifier(text.strip())
    except OSError as error:
        raise typer.BadParameter(f"--secret: the file cannot be read; {error.strerror}") from error
    except ValueError as error:
        raise typer.BadParameter(f"--secret: cannot be used, {error}") from None
