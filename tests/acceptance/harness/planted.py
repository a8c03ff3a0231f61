"""Secrets that are planted wherever the sidecar is given any, and the search for them in all that it tells."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres
from tests.acceptance.harness.guarded import GuardedWebhooks, bearer
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, KeyManager
from tests.acceptance.harness.retrying import retrying
from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER
from tests.acceptance.harness.tls import Authority

MARK: Final = "PLANTED"
SIGNING: Final = b64encode(b"PLANTED-signing-secret-32-bytes!").decode()
SEALING: Final = "s" * 42 + "8="
ADMIN_TOKEN: Final = "PLANTED-admin-token-0123"
QUERY: Final = "?token=PLANTED-callback-query"
CALLERS: Final = {
    "authorization": "Bearer PLANTED-end-user",
    "x_jwt_assertion": "PLANTED-assertion",
    "cookie": "session=PLANTED-cookie",
    "apikey": "PLANTED-api-key",
}
BY_ENVIRONMENT: Final = {
    "SIDECAR_DATABASE__PASSWORD": "PLANTED-database-password",
    "SIDECAR_CALLBACKS__TOKEN_SECRETS": "PLANTED-token-secret-that-is-long-enough",
    "SIDECAR_GATEWAY__IDENTITY__SECRET": "PLANTED-gateway-secret",
    "SIDECAR_OFFLOAD__CREDENTIALS__ACCESS_KEY": "PLANTED-access-key",
    "SIDECAR_OFFLOAD__CREDENTIALS__SECRET_KEY": "PLANTED-secret-key",
    "SIDECAR_SEALING__KEYS": "seal_PLANTED",
}


@dataclass(slots=True)
class Searched:
    """What was read, by where it stood, and the secrets that must not be there."""

    secrets: list[str]
    read: dict[str, str] = field(default_factory=dict)

    def found(self) -> list[str]:
        """Name the places where a secret stands."""
        return [f"{where}: {secret}" for where, text in self.read.items() for secret in self.secrets if secret in text]

    def holds(self, data: bytes) -> bool:
        """Whether any secret stands in there."""
        return any(secret.encode() in data for secret in self.secrets)


def planted_secrets(dsn: str, store: EmbeddedStore) -> list[str]:
    """List what nobody may be told."""
    password = urlsplit(dsn).password
    assert password
    pairs = (f"{CLIENT}:{SECRET}".encode(), b"u:PLANTED-basic-password")  # as basic authentication writes them
    return [
        *(MARK, SECRET, PASSWORD, password, GATEWAY_KEY, SIGNING, SEALING, "TOKEN-SECRET"),
        *(store.secret_key, store.access_key),
        *(b64encode(pair).decode() for pair in pairs),
    ]


def planted_settings(
    directory: Path, *, authority: Authority, key_manager: KeyManager, hooks: GuardedWebhooks, store: EmbeddedStore
) -> dict[str, Any]:
    """Build the sections with a secret in each, in files as the settings want them."""

    def written(name: str, text: str) -> str:
        file = directory / f"planted-{name}"
        file.write_text(text + "\n")
        return str(file)

    user = {
        "type": "oauth2_password",
        "token_url": key_manager.token_url,
        "ca_file": str(authority.ca_file),
        "client_id": CLIENT,
        "client_secret_file": written("client", SECRET),
        "username": USER,
        "password_file": written("password", PASSWORD),
    }
    basic = {"type": "basic", "username": "u", "password_file": written("basic", "PLANTED-basic-password")}
    admin = {"name": "oncall", "role": "operator", "token_file": written("oncall", ADMIN_TOKEN)}
    return {
        **retrying(directory, store, base="5s", scan_interval="20ms"),
        "gateway": {"identity": {"type": "shared_secret", "header": KEY_HEADER, "secret": GATEWAY_KEY}},
        "callbacks": {"token_secrets": ["PLANTED-token-secret-that-is-long-enough"]},
        "sealing": {"keys_file": written("sealing", "seal_" + SEALING)},
        "admin": {"tokens": [admin]},
        "webhook": {
            "ca_file": str(authority.ca_file),
            "signing": {"secrets_file": written("signing", "whsec_" + SIGNING)},
            "service_users": [
                {"match": f"{hooks.url}/crm/", **user},
                {"match": f"{hooks.url}/refused/", **user, "scopes": ["other"]},
                {"match": f"{hooks.url}/away/", **basic},
            ],
        },
    }


def talkative_webhooks(port: int, authority: Authority, key_manager: KeyManager) -> GuardedWebhooks:
    """Make webhooks that take, refuse or are away by their path, and put secrets into their refusals."""
    hooks = GuardedWebhooks(port, authority.server())
    hooks.checks = {"/crm/": bearer(key_manager), "/gone/": lambda _: 410, "/away/": lambda _: 503}
    hooks.bodies = dict.fromkeys((401, 410, 503), b"PLANTED-refusal")
    return hooks


def wrong_sections(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield sections in which secrets stand where none may stand, or in wrong forms."""
    yield "database", {**settings["database"], "password": ["PLANTED"]}
    yield "database", {**settings["database"], "dsn": "postgresql://u:PLANTED@:x/"}
    yield "database", {**settings["database"], "dsn": {"PLANTED": 1}}
    yield "callbacks", {**settings["callbacks"], "token_secrets": [["PLANTED"]]}
    yield "admin", {**settings["admin"], "tokens": [{"name": "a", "role": "b", "token": "PLANTED"}]}
    yield "webhook", {**settings["webhook"], "proxy": "http://u:PLANTED@proxy:x"}
    yield "webhook", {**settings["webhook"], "signing": {"secrets": [["whsec_PLANTED"]]}}


def dumped(postgres: EmbeddedPostgres, dsn: str) -> str:
    """Dump a whole database by ``pg_dump``, as those see it who have a backup; partitions stand under their parent."""
    command = [str(postgres.home.binaries / "pg_dump"), "--load-via-partition-root", "--dbname", dsn]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def columns_with_secrets(dump: str, searched: Searched) -> set[tuple[str, str]]:
    """Tell in which columns of which tables of a dump a secret stands; what is outside of rows has no column."""
    found: set[tuple[str, str]] = set()
    table, columns = "", []
    for line in dump.splitlines():
        if line.startswith("COPY "):
            name, _, rest = line.removeprefix("COPY ").partition(" (")
            table, columns = name.removeprefix("public."), rest.partition(")")[0].split(", ")
        elif line == "\\.":
            table = ""
        elif table:
            values = zip(columns, line.split("\t"), strict=True)
            found |= {(table, column) for column, value in values if searched.holds(_plain(value))}
        elif searched.holds(line.encode()):
            found.add((line, ""))
    return found


def _plain(value: str) -> bytes:
    r"""Undo how COPY writes bytes, which is ``\\x`` and hex."""
    return bytes.fromhex(value.removeprefix("\\\\x")) if value.startswith("\\\\x") else value.encode()
