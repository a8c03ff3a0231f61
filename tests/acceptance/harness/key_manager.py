"""A key manager over TLS that does what WSO2's does: one valid token for each client, user and set of scopes."""

import asyncio
import ssl
from base64 import b64decode
from binascii import Error
from dataclasses import dataclass
from itertools import count
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

from tests.acceptance.harness.http import Server

CLIENT, SECRET = "async-sidecar", "client-SECRET-1"
USER, PASSWORD = "svc-async", "user-SECRET-1"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a token."""

    client: str
    user: str
    scopes: tuple[str, ...]
    grant: str
    by: str  # how the client showed itself: basic or body


class KeyManager:
    """Issues, refuses, hangs; a new token revokes the older one of the same client, user and scopes."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.clients = {CLIENT: SECRET}
        self.users = {USER: PASSWORD}
        self.asked: list[Asked] = []
        self.issued: list[str] = []
        self.lifetime: object = 3600
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.hanging = False
        self.held = 0  # requests that hang
        self._numbers = count(1)
        self._valid: dict[tuple[str, str, tuple[str, ...]], str] = {}
        self._ends: dict[str, float] = {}
        self._over = asyncio.Event()
        self.port = port
        self._server = Server(self._serve, port, tls=tls)
        self.start = self._server.start
        self.token_url = f"{self._server.url}/oauth2/token"

    async def stop(self) -> None:
        self._over.set()
        await self._server.stop()

    def valid(self, token: str) -> bool:
        """Tell whether a token may be used now."""
        return token in self._valid.values() and asyncio.get_running_loop().time() < self._ends.get(token, float("inf"))

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._valid.clear()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: values[0] for name, values in parse_qs((await request.read()).decode()).items()}
        if self.hanging:
            self.held += 1
            await self._over.wait()
            return web.Response(status=500)
        if self.refusal is not None:
            status, document = self.refusal
            return web.json_response(document, status=status)
        client, secret, by = _client_of(request, form)
        if self.clients.get(client) != secret:
            return web.json_response({"error": "invalid_client", "error_description": f"no {secret}"}, status=401)
        user, grant = form.get("username", ""), form.get("grant_type", "")
        if grant == "password" and self.users.get(user) != form.get("password"):
            return web.json_response(
                {"error": "invalid_grant", "error_description": "Authentication failed"}, status=400
            )
        asked = Asked(client, user, tuple(sorted(form.get("scope", "").split())), grant, by)
        self.asked.append(asked)
        token = f"TOKEN-SECRET-{next(self._numbers)}"
        self.issued.append(token)
        self._valid[client, user, asked.scopes] = token
        if isinstance(self.lifetime, int | float):
            self._ends[token] = asyncio.get_running_loop().time() + self.lifetime
        lifetime = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return web.json_response({"access_token": token, "token_type": "Bearer", **lifetime})


def _client_of(request: web.BaseRequest, form: dict[str, str]) -> tuple[str, str, str]:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return form.get("client_id", ""), form.get("client_secret", ""), "body"
    try:
        client, _, secret = b64decode(value, validate=True).decode().partition(":")
    except (Error, UnicodeDecodeError):
        return "", "", "basic"
    return unquote_plus(client), unquote_plus(secret), "basic"
