"""Webhook receivers: they keep every message, repetitions included."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy

from tests.acceptance.harness.http import Server


@dataclass(frozen=True, slots=True)
class Message:
    """One request that a webhook got."""

    path: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def job_id(self) -> str:
        return self.headers["x-job-id"]

    @property
    def service(self) -> str:
        return self.headers.get("x-service", "")

    @property
    def kind(self) -> str:
        return self.headers["x-result-kind"]

    @property
    def status(self) -> str:
        return self.headers["x-result-status"]

    @property
    def json(self) -> dict[str, object]:
        document: dict[str, object] = orjson.loads(self.body)
        return document


Behaviour = Callable[[Message], Awaitable[web.StreamResponse]]


def in_turn(*statuses: int, body: bytes = b"") -> Behaviour:
    """Answer the attempts at one message one after the other; the last status stays. Refusals have a body."""

    async def behave(message: Message) -> web.StreamResponse:
        status = statuses[min(int(message.headers["x-attempt"]), len(statuses)) - 1]
        return web.Response(status=status, body=body if status >= 400 else b"")

    return behave


class Webhooks:
    """All webhooks of a test behind one port; those whose path begins with a prefix of ``hanging`` never answer."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.by_job: dict[str, list[Message]] = defaultdict(list)
        self.hanging: set[str] = set()
        self.held: list[Message] = []  # got, and not answered
        self.status: dict[str, int] = {}  # by path, where it is not 204
        self.behaviours: dict[str, Behaviour] = {}  # by path, where a status does not say all
        self._over = asyncio.Event()
        self._server = Server(self._serve, port, tls=tls)
        self.start = self._server.start
        self.url = self._server.url

    async def stop(self) -> None:
        self._over.set()
        await self._server.stop()

    @property
    def messages(self) -> list[Message]:
        return [message for messages in self.by_job.values() for message in messages]

    def of(self, job_id: str) -> dict[str, Message]:
        """The last message of a job by the service that it is about; '' is the aggregate."""
        return {message.service: message for message in self.by_job.get(job_id, ())}

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        message = Message(request.path, request.headers, await request.read())
        if any(request.path.startswith(prefix) for prefix in self.hanging):
            self.held.append(message)
            await self._over.wait()
            return web.Response(status=500)
        self.by_job[message.job_id].append(message)
        if (behaviour := self.behaviours.get(request.path)) is not None:
            return await behaviour(message)
        return web.Response(status=self.status.get(request.path, 204))
