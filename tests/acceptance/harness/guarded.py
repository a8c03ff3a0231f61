"""Webhooks over TLS that let nobody in who does not show what they ask for."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from tests.acceptance.harness.http import Server
from tests.acceptance.harness.key_manager import KeyManager
from tests.acceptance.harness.webhooks import Message

Check = Callable[[Message], int]
"""Answers a message with a status."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One attempt: the message, how it was answered, and the client certificate that was shown."""

    message: Message
    status: int
    certificate: str


def bearer(key_manager: KeyManager) -> Check:
    """Let in who shows a token that is valid at that moment."""

    def check(message: Message) -> int:
        kind, _, token = message.headers.get("authorization", "").partition(" ")
        return 204 if kind == "Bearer" and key_manager.valid(token) else 401

    return check


class GuardedWebhooks:
    """All webhooks behind one port; ``checks`` decide by the beginning of the path, and else all are let in."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.visits: list[Visit] = []
        self.checks: dict[str, Check] = {}
        self.bodies: dict[int, bytes] = {}  # of refusals, by status
        self._server = Server(self._serve, port, tls=tls)
        self.start, self.stop, self.url = self._server.start, self._server.stop, self._server.url

    def of(self, job_id: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.message.job_id == job_id]

    def taken(self, job_id: str) -> list[Visit]:
        return [visit for visit in self.of(job_id) if visit.status < 300]

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        message = Message(request.path, request.headers, await request.read())
        check = next((check for prefix, check in self.checks.items() if request.path.startswith(prefix)), None)
        status = 204 if check is None else check(message)
        self.visits.append(Visit(message, status, _certificate(request.transport)))
        return web.Response(status=status, body=self.bodies.get(status, b""))


def _certificate(transport: asyncio.Transport | None) -> str:
    shown = transport.get_extra_info("peercert") if transport is not None else None
    if not shown:
        return ""
    names = {key: value for parts in shown["subject"] for key, value in parts}
    return str(names.get("commonName", ""))
