"""Secrets that stand in the settings file itself, where everybody reads them who may read the file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, SecretStr

from sidecar.settings.root import Settings
from sidecar.settings.section import Section


def inline_secrets(settings: Settings, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each secret that the file holds: its name and the remedy, and never the secret.

    Args:
        settings: What was made of the file and the environment.
        data: What the file holds.
    """
    for name in _names(settings, data, ""):
        yield (
            f"{name}: put it into a file of its own and name that by {name.rpartition('.')[2]}_file,"
            " or give it by the environment"
        )
    dsn = _below(data.get("database"), "dsn")
    if isinstance(dsn, str) and _holds_password(dsn):
        yield "database.dsn: leave the password out of it, and name its file by password_file"


def _names(section: BaseModel, data: Mapping[str, Any], place: str) -> Iterator[str]:
    fields = type(section).model_fields
    for key, given in data.items():
        value = getattr(section, key, None)
        if f"{key}_file" in fields and given is not None and _secret(value):
            yield place + key
        elif isinstance(value, Section) and isinstance(given, Mapping):
            yield from _names(value, given, f"{place}{key}.")
        elif isinstance(value, tuple) and isinstance(given, Sequence):
            for number, (one, part) in enumerate(zip(value, given, strict=False)):  # the environment may have more
                if isinstance(one, Section) and isinstance(part, Mapping):
                    yield from _names(one, part, f"{place}{key}[{number}].")


def _holds_password(dsn: str) -> bool:
    try:
        url = urlsplit(dsn)
    except ValueError:  # the environment has another one, or the settings were refused
        return False
    return bool(url.password) or not {"password", "sslpassword"}.isdisjoint(parse_qs(url.query))


def _secret(value: object) -> bool:
    return isinstance(value, SecretStr) or (isinstance(value, tuple) and any(map(_secret, value)))


def _below(data: object, key: str) -> object:
    return data.get(key) if isinstance(data, Mapping) else None
