"""The settings file that ``sidecar dev`` writes for the sidecar that it starts."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of the sidecar's three listeners."""

    gateway: int
    callbacks: int
    admin: int

    @property
    def gateway_url(self) -> str:
        """Where callers send their requests."""
        return f"http://127.0.0.1:{self.gateway}"

    @property
    def callbacks_url(self) -> str:
        """Where services call back."""
        return f"http://127.0.0.1:{self.callbacks}"

    @property
    def admin_url(self) -> str:
        """Where health and metrics are."""
        return f"http://127.0.0.1:{self.admin}"


def demo_routes(services_url: str) -> dict[str, Any]:
    """Build the demo routes: separate messages, one aggregate, one service alone, and a service that refuses."""
    billing = {"name": "billing", "url": services_url + "/billing/{order_id}"}
    stock = {"name": "stock", "url": services_url + "/stock/{order_id}", "completion": "response"}
    risk = {"name": "risk", "url": services_url + "/risk/{order_id}"}

    def route(path: str, gather: str, *services: dict[str, str]) -> dict[str, Any]:
        return {"path": path, "methods": ["POST"], "gather": gather, "deadline": "2m", "services": list(services)}

    return {
        "routes": [
            route("/demo/orders/{order_id}/report", "each", billing, stock, risk),
            route("/demo/orders/{order_id}/summary", "all", billing, stock),
            route("/demo/orders/{order_id}/invoice", "each", billing),
            route("/demo/orders/{order_id}/credit", "each", risk),
        ]
    }


def read_settings(path: Path) -> dict[str, Any]:
    """Read a user's own settings file as plain data.

    Raises:
        ConfigError: It cannot be read, or is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(part, dict | list | None) for part in content.values()):
        raise ConfigError(f"{path} must hold sections such as gateway: and routes:")
    return content


def dev_settings(
    own: Mapping[str, Any], *, ports: Ports, dsn: str, password_file: Path, tokens: Path
) -> dict[str, Any]:
    """Put the embedded parts under ``own`` settings.

    The database and the listeners are always ours, and loopback only. How callers identify themselves, where
    services call back, whether a webhook needs https and how long a stop may take are ours unless ``own`` says so.
    """

    def section(name: str, defaults: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
        return {**defaults, **(own.get(name) or {}), **ours}

    callbacks = own.get("callbacks") or {}
    secrets_given = any(name.startswith("token_secrets") for name in callbacks)
    replaced = {"pooler", "password"}
    database = {name: value for name, value in (own.get("database") or {}).items() if name not in replaced}
    return {
        **own,
        "gateway": section(
            "gateway",
            {"identity": {"type": "none"}, "public_url": ports.gateway_url},
            {"listen": f"127.0.0.1:{ports.gateway}"},
        ),
        "callbacks": section(
            "callbacks",
            {"base_url": ports.callbacks_url} | ({} if secrets_given else {"token_secrets_file": str(tokens)}),
            {"listen": f"127.0.0.1:{ports.callbacks}"},
        ),
        "admin": section("admin", {}, {"listen": f"127.0.0.1:{ports.admin}"}),
        "database": {**database, "dsn": dsn, "password_file": str(password_file)},
        "worker": section("worker", {"drain_timeout": "5s"}, {}),
        "webhook": section("webhook", {"require_https": False}, {}),
    }


def sample_request(routes: object) -> tuple[str, str]:
    """Find a method and path that the first route takes: each variable becomes 42."""
    first = routes[0] if isinstance(routes, list) and routes and isinstance(routes[0], dict) else {}
    methods = first.get("methods") or ["POST"]
    return str(methods[0]), re.sub(r"\{[^{}]*\}", "42", str(first.get("path", "/")))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all at once."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the generated settings file."""
    note = "# Written by `sidecar dev` at each start; changes made here are lost.\n"
    write_private(path, note + yaml.safe_dump(dict(settings), sort_keys=False))


def token_secrets(path: Path) -> Path:
    """Make the secret behind callback addresses once; later runs must still understand addresses given out."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path
