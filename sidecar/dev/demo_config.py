"""The settings file that ``sidecar dev`` writes for the sidecar that it starts."""

import re
import secrets
from base64 import b64encode
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
    """Build the demo routes: separate messages, an aggregate, one service alone, one that refuses, a large result."""
    billing = {"name": "billing", "url": services_url + "/billing/{order_id}"}
    stock = {"name": "stock", "url": services_url + "/stock/{order_id}", "completion": "response"}
    risk = {"name": "risk", "url": services_url + "/risk/{order_id}"}
    archive = {"name": "archive", "url": services_url + "/archive/{order_id}"}

    def route(path: str, gather: str, *services: dict[str, str]) -> dict[str, Any]:
        return {"path": path, "methods": ["POST"], "gather": gather, "deadline": "2m", "services": list(services)}

    return {
        "routes": [
            route("/demo/orders/{order_id}/report", "each", billing, stock, risk),
            route("/demo/orders/{order_id}/summary", "all", billing, stock),
            route("/demo/orders/{order_id}/invoice", "each", billing),
            route("/demo/orders/{order_id}/credit", "each", risk),
            route("/demo/orders/{order_id}/archive", "each", archive),
        ],
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


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How the sidecar reaches the embedded object store."""

    bucket: str
    endpoint_url: str
    access_key_file: Path
    secret_key_file: Path

    def section(self) -> dict[str, Any]:
        """Build what the section ``offload`` says of it."""
        keys = {"access_key_file": str(self.access_key_file), "secret_key_file": str(self.secret_key_file)}
        return {
            "bucket": self.bucket,
            "endpoint_url": self.endpoint_url,
            "region": "us-east-1",
            "path_style": True,
            "credentials": keys,
        }


LOOPBACK = ("127.0.0.0/8", "::1/128")
SECURE_PORTS = (443, 8243)
UNPRIVILEGED = "1024-65535"
OF_ANOTHER_STORE = frozenset({"public_endpoint_url", "ca_file", "proxy", "signing", "sse", "checksums"})


def wants_store(own: Mapping[str, Any] | None) -> bool:
    """Tell whether there is an object store: with the demo routes, and with settings that have one."""
    return own is None or bool(own.get("offload"))


def dev_settings(
    own: Mapping[str, Any],
    *,
    ports: Ports,
    dsn: str,
    password_file: Path,
    tokens: Path,
    signing: Path,
    store: StoreAccess | None,
) -> dict[str, Any]:
    """Put the embedded parts under ``own`` settings.

    The database, the object store and the listeners are always ours, and loopback only. How callers identify
    themselves, where services call back, whether a webhook needs https, what signs messages, how often retries are
    looked for and how long a stop may take are ours unless ``own`` says so. Webhooks on this machine are always open.
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
        "webhook": section(
            "webhook",
            {"require_https": False, "signing": {"secrets_file": str(signing)}},
            _on_loopback(own.get("webhook") or {}),
        ),
        "retry": section("retry", {"scan_interval": "200ms"}, {}),
    } | ({} if store is None else _in_embedded_store(own, store))


def _on_loopback(webhook: Mapping[str, Any]) -> dict[str, Any]:
    """Open this machine's webhooks to the egress guard, besides what ``webhook`` opens."""
    networks, ports = _listed(webhook.get("allow_networks")), _listed(webhook.get("ports") or SECURE_PORTS)
    return {"allow_networks": [*networks, *LOOPBACK], "ports": [*ports, UNPRIVILEGED]}


def _listed(value: Any) -> list[Any]:
    return value.split(",") if isinstance(value, str) else list(value or ())


def _in_embedded_store(own: Mapping[str, Any], store: StoreAccess) -> dict[str, Any]:
    """Replace another store by ours; there is one bucket, hence none of a route's own."""
    kept = {name: value for name, value in (own.get("offload") or {}).items() if name not in OF_ANOTHER_STORE}
    routes = []
    for route in own.get("routes") or []:
        override = route.get("offload") if isinstance(route, dict) else None
        elsewhere = isinstance(override, dict) and "bucket" in override
        prefix = {name: value for name, value in (override or {}).items() if name != "bucket"}
        routes.append({**route, "offload": prefix} if elsewhere else route)
    return {"offload": {**kept, **store.section()}, "routes": routes}


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


def signing_secret(path: Path) -> str:
    """Make the secret that signs messages, once, and return it."""
    if not path.exists():
        write_private(path, f"whsec_{b64encode(secrets.token_bytes(32)).decode()}\n")
    return path.read_text().split("\n")[0]


def token_secrets(path: Path) -> Path:
    """Make the secret behind callback addresses once; later runs must still understand addresses given out."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path
