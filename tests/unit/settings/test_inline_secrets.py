"""Secrets in the settings file are found wherever they stand, and nothing else is."""

from typing import Any

import pytest

from sidecar.settings.inline_secrets import inline_secrets
from sidecar.settings.load import build_settings
from tests.unit.settings.builders import make_data

USER: dict[str, Any] = {"type": "basic", "match": "https://hooks.example/", "username": "u"}
ADMIN: dict[str, Any] = {"name": "oncall", "role": "operator"}
INLINE: dict[str, tuple[str, Any]] = {
    "database.password": ("database__password", "hush"),
    "callbacks.token_secrets": ("callbacks__token_secrets", ["hush-hush-hush-hush-hush-hush-hush"]),
    "gateway.identity.secret": ("gateway__identity", {"type": "shared_secret", "secret": "hush-hush-hush-hush"}),
    "admin.tokens[1].token": (
        "admin__tokens",
        [{**ADMIN, "token_file": "/t"}, {**ADMIN, "name": "b", "token": "hush" * 8}],
    ),
    "webhook.service_users[0].password": ("webhook__service_users", [{**USER, "password": "hush"}]),
    "offload.credentials.access_key": (
        "offload",
        {"bucket": "results", "credentials": {"access_key": "hush", "secret_key_file": "/k"}},
    ),
}


def names(data: dict[str, Any], **environment: Any) -> list[str]:
    lines = list(inline_secrets(build_settings({**data, **environment}), data))
    assert "hush" not in str(lines)
    assert all("_file" in line for line in lines)
    return [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize("name", INLINE)
def test_a_secret_in_the_file_is_named(name: str) -> None:
    field, value = INLINE[name]
    assert names(make_data(**{field: value})) == [name]


def test_a_password_in_the_address_of_the_database_is_named() -> None:
    for dsn in ("postgresql://sidecar:hush@db/sidecar", "postgresql://sidecar@db/sidecar?password=hush"):
        assert names(make_data(database__dsn=dsn)) == ["database.dsn"]


def test_files_and_what_the_environment_gives_are_no_secrets_in_the_file() -> None:
    data = make_data(webhook__service_users=[{**USER, "password_file": "/secrets/password"}])
    assert names(data) == []
    given = {"webhook": {"service_users": [{**USER, "password": "hush"}]}}
    assert names(data, **given) == []
