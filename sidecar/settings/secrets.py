"""Secrets: given by the environment, or kept in a mounted file that is read when the secret is needed."""

import time
from collections.abc import Callable
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


class LiveSecret:
    """A secret that may be replaced while the sidecar runs.

    Args:
        value: The secret itself; it never changes.
        file: The file that it is read from otherwise, again when the file changed.
        clock: Steady seconds.
    """

    LOOK_AGAIN = 1.0
    """Seconds between two looks at the file."""

    def __init__(
        self, value: SecretStr | None, file: Path | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._value = value
        self._file = file
        self._clock = clock
        self._stamp: FileStamp | None = None
        self._looked_at = 0.0
        self._secret = ""
        self.read()

    def current(self) -> str:
        """Return the secret; a changed file is noticed within a second.

        Raises:
            ConfigError: The file changed, and cannot be read or is empty.
        """
        if self._value is None and self._clock() - self._looked_at >= self.LOOK_AGAIN:
            self._looked_at = self._clock()
            if file_stamp(self._file) != self._stamp:
                self.read()
        return self._secret

    def read(self) -> str:
        """Read the secret anew, whatever the file's times say.

        Raises:
            ConfigError: The file cannot be read or is empty.
        """
        stamp, self._stamp = file_stamp(self._file), None
        self._secret = read_secret(self._value, self._file).get_secret_value()
        self._stamp, self._looked_at = stamp, self._clock()
        return self._secret


FileStamp = tuple[int, int, int]
"""What changes when a file is replaced or written: its inode, its size, its time in nanoseconds."""


def file_stamp(file: Path | None) -> FileStamp | None:
    """Tell what a file is now; None when it is not there. A mounted secret is replaced by another file."""
    try:
        stat = file.stat() if file is not None else None
    except OSError:
        return None
    return None if stat is None else (stat.st_ino, stat.st_size, stat.st_mtime_ns)


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
