"""What the demo routes have that own settings do not: an authority, a key manager, and a service user."""

from pathlib import Path
from typing import Any

from sidecar.dev.authority import DemoAuthority
from sidecar.dev.demo_config import demo_routes
from sidecar.dev.key_manager import KeyManager
from sidecar.dev.narrator import Narrator
from sidecar.dev.ports import free_port


class Demo:
    """The key manager, and what makes the webhook an https one: credentials are sent to no other.

    Args:
        directory: Where certificates and secrets are kept.
        narrator: Tells what the key manager does.
    """

    def __init__(self, directory: Path, narrator: Narrator) -> None:
        self._directory = directory
        self._authority = DemoAuthority(directory)
        self.webhook_tls = self._authority.server("webhook")
        port = free_port(*range(9443, 9543, 10))
        self.key_manager = KeyManager(narrator, tls=self._authority.server("key-manager"), port=port)

    def settings(self, services_url: str, webhook_url: str) -> dict[str, Any]:
        """Build the demo's settings: its routes, and the service user of its webhook."""
        ca_file = self._authority.ca_file
        user = self.key_manager.service_user(webhook_url, ca_file=ca_file, directory=self._directory)
        return {
            **demo_routes(services_url),
            "webhook": {"require_https": False, "ca_file": str(ca_file), "service_users": [user]},
        }
