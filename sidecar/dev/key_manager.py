"""A key manager for demonstrations: it issues tokens to one service user, over TLS, and the demo webhook asks it."""

import secrets
import ssl
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from sidecar.dev.demo_config import write_private
from sidecar.dev.loopback import LoopbackServer
from sidecar.dev.narrator import Narrator

CLIENT = "async-sidecar"
USER = "svc-async"
SCOPES = ("demo_results", "device_{worker}")
LIFETIME = 3600  # seconds
SCHEME = "Bearer "


class KeyManager:
    """Serve ``POST /oauth2/token`` by the password grant.

    Args:
        narrator: Tells which tokens are issued and refused.
        tls: Its certificate.
        port: The port; 0 picks one.
    """

    def __init__(self, narrator: Narrator, *, tls: ssl.SSLContext, port: int = 0) -> None:
        self._narrator = narrator
        self._secret, self._password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._tokens: dict[str, str] = {}  # the valid one of each set of scopes
        app = web.Application()
        app.router.add_post("/oauth2/token", self._issue)
        self._server = LoopbackServer(app, port=port, tls=tls)
        self.start, self.stop = self._server.start, self._server.stop

    @property
    def token_url(self) -> str:
        """Where tokens are fetched."""
        return f"{self._server.url}/oauth2/token"

    def whose(self, headers: Mapping[str, str]) -> str | None:
        """Tell whom the Bearer token among a request's headers belongs to; None when it is not valid, or not there."""
        shown = headers.get("authorization", "")
        valid = shown.startswith(SCHEME) and shown.removeprefix(SCHEME) in self._tokens.values()
        return USER if valid else None

    def revoke(self) -> None:
        """Revoke every token."""
        self._tokens.clear()
        self._narrator.tell("keys", f"the key manager revokes the token of {USER}")

    def service_user(self, match: str, *, ca_file: Path, directory: Path) -> dict[str, Any]:
        """Build what the settings say of this service user, and write its secrets to files."""
        files = {"client_secret_file": self._secret, "password_file": self._password}
        for name, secret in files.items():
            write_private(directory / name, secret + "\n")
        return {
            "match": match,
            "type": "oauth2_password",
            "token_url": self.token_url,
            "ca_file": str(ca_file),
            "client_id": CLIENT,
            "username": USER,
            "scopes": list(SCOPES),
            **{name: str(directory / name) for name in files},
        }

    async def _issue(self, request: web.Request) -> web.Response:
        form = await request.post()
        if _client_of(request) != (CLIENT, self._secret):
            return self._refuse("invalid_client", 401)
        if (form.get("grant_type"), form.get("username")) != ("password", USER) or form.get(
            "password"
        ) != self._password:
            return self._refuse("invalid_grant", 400)
        scope = str(form.get("scope", ""))
        self._tokens[scope] = token = secrets.token_urlsafe(24)
        self._narrator.tell("keys", f"the key manager issues a token to {USER}, with the scopes {scope}")
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": scope},
            headers={"cache-control": "no-store"},
        )

    def _refuse(self, error: str, status: int) -> web.Response:
        self._narrator.tell("keys", f"the key manager refuses a token: {error}")
        return web.json_response({"error": error}, status=status)


def _client_of(request: web.Request) -> tuple[str, str]:
    try:
        client, _, secret = (
            b64decode(request.headers.get("authorization", "").partition(" ")[2]).decode().partition(":")
        )
    except (Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client), unquote_plus(secret)
