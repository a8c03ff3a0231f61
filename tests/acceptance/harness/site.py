"""A settings file for a sidecar on loopback, with ports that were free a moment ago."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.dev.ports import free_port

GATEWAY_KEY = "the-gateway-itself"
KEY_HEADER = "x-sidecar-key"
ON_LOOPBACK: Mapping[str, Any] = {"require_https": False, "allow_networks": ["127.0.0.0/8"], "ports": ["1-65535"]}
"""What opens the webhooks of tests, and nothing else, to the egress guard."""

DYING: Mapping[str, Any] = {
    "worker": {"dead_after": "2s", "drain_timeout": "5s"},
    "database": {"pool": 4, "statement_timeout": "3s"},
}
"""Sections for tests in which processes or the database die. The others have time for machines that are slow."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one replica listens."""

    gateway: int
    callbacks: int
    admin: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(free_port(), free_port(), free_port())

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway}"

    @property
    def callbacks_url(self) -> str:
        return f"http://127.0.0.1:{self.callbacks}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin}"


def service(name: str, origin: str, **more: Any) -> dict[str, Any]:
    """One service of a route, at the path that bears its name."""
    return {"name": name, "url": f"{origin}/{name}", **more}


def route(path: str, *services: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """One route, with a deadline that no healthy test meets."""
    return {"path": path, "deadline": "5m", "services": list(services), **more}


def make_settings(
    dsn: str,
    ports: Ports,
    routes: Sequence[Mapping[str, Any]],
    *,
    callbacks_url: str | None = None,
    secret: bool = False,
    over: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build settings; ``over`` adds to sections by name, ``secret`` makes the gateway identify itself."""
    identity = {"type": "shared_secret", "header": KEY_HEADER, "secret": GATEWAY_KEY} if secret else {"type": "none"}
    settings: dict[str, Any] = {
        "gateway": {"listen": f"127.0.0.1:{ports.gateway}", "public_url": "https://gw.example", "identity": identity},
        "callbacks": {
            "listen": f"127.0.0.1:{ports.callbacks}",
            "base_url": callbacks_url or ports.callbacks_url,
            "token_secrets": ["a-secret-that-all-replicas-share"],
        },
        "admin": {"listen": f"127.0.0.1:{ports.admin}"},
        "database": {"dsn": dsn, "pool": 4, "statement_timeout": "15s"},
        "worker": {"dead_after": "15s", "drain_timeout": "5s"},
        "webhook": dict(ON_LOOPBACK),
        "routes": list(routes),
    }
    for name, values in (over or {}).items():
        settings[name] = {**settings.get(name, {}), **values}
    return settings


def write_settings(path: Path, settings: Mapping[str, Any]) -> Path:
    """Write the file, with its secrets in files of their own, as the settings want them."""
    content = {name: dict(part) if isinstance(part, Mapping) else part for name, part in settings.items()}
    tokens = path.with_suffix(".tokens")
    tokens.write_text("\n".join(content["callbacks"].pop("token_secrets")) + "\n")
    content["callbacks"]["token_secrets_file"] = str(tokens)
    identity = dict(content["gateway"]["identity"])
    if secret := identity.pop("secret", None):
        key = path.with_suffix(".key")
        key.write_text(secret)
        identity["secret_file"] = str(key)
    content["gateway"]["identity"] = identity
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
