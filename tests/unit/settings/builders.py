"""Small settings for tests."""

from copy import deepcopy
from typing import Any

from sidecar.settings.load import build_settings
from sidecar.settings.root import Settings
from sidecar.settings.route_table import RouteTable
from sidecar.settings.routes import RouteSettings

MINIMAL: dict[str, Any] = {
    "gateway": {"identity": {"type": "none"}},
    "callbacks": {"base_url": "http://sidecar:8081", "token_secrets_file": "/secrets/callback-tokens"},
    "database": {"dsn": "postgresql://sidecar@db/sidecar"},
    "routes": [{"path": "/orders", "services": [{"name": "billing", "url": "http://billing:9000/orders"}]}],
}


def make_data(**over: Any) -> dict[str, Any]:
    """The smallest settings with ``section__key`` replaced or added."""
    data = deepcopy(MINIMAL)
    for name, value in over.items():
        *sections, key = name.split("__")
        at = data
        for section in sections:
            at = at.setdefault(section, {})
        at[key] = value
    return data


def make_settings(**over: Any) -> Settings:
    return build_settings(make_data(**over))


def make_service(**over: Any) -> dict[str, Any]:
    return {"name": "billing", "url": "http://billing:9000/reports", **over}


def make_route(path: str = "/orders", **over: Any) -> dict[str, Any]:
    return {"path": path, "services": [make_service()], **over}


def make_table(*routes: dict[str, Any]) -> RouteTable:
    return RouteTable([RouteSettings(**route) for route in routes])
