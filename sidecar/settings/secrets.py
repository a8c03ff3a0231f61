"""Secrets: given by the environment, or kept in a mounted file that is read when the secret is needed."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, SecretStr

from sidecar.model.errors import ConfigError


def read_secret(value: SecretStr | None, file: Path | None) -> SecretStr:
    """Take the secret itself, else the content of its file without the line end.

    A given value wins, so that the environment overrides the file's path in YAML.

    Raises:
        ConfigError: neither is given, the file cannot be read, or it is empty.
    """
    if value is not None:
        return value
    secret = _read(file).rstrip("\r\n")
    if not secret:
        raise ConfigError(f"{file}: the secret file is empty; put the secret into it")
    return SecretStr(secret)


def read_secrets(values: tuple[SecretStr, ...] | None, file: Path | None) -> tuple[SecretStr, ...]:
    """Take the secrets themselves, else the lines of their file; the newest comes first.

    Raises:
        ConfigError: neither is given, the file cannot be read, or it holds no secret.
    """
    if values:
        return values
    lines = tuple(SecretStr(line.strip()) for line in _read(file).splitlines() if line.strip())
    if not lines:
        raise ConfigError(f"{file}: the secret file is empty; put one secret on each line, the newest first")
    return lines


def _read(file: Path | None) -> str:
    if file is None:
        raise ConfigError("a secret is needed and neither it nor its file is set")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: the secret file is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{file}: the secret file cannot be read; {error.strerror}") from error


def require_secret(name: str, value: object, file: Path | None) -> None:
    """Check that a secret or its file is set, inside a pydantic validator.

    Raises:
        ValueError: neither is set.
    """
    if not value and file is None:
        raise ValueError(f"needs {name}_file; or give {name} by the environment")


def _lines(value: object) -> object:
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


SecretLines = Annotated[tuple[SecretStr, ...], BeforeValidator(_lines)]
"""Several secrets, the newest first: a list, or one text with a secret on each line."""

FROM_WORDS = BeforeValidator(_words)
"""Lets a list be written as one text with commas, as an environment variable needs it."""
