"""A webhook receiver for people: it keeps what arrives, so that one can wait for it and look at it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDictProxy

from sidecar.dev.loopback import MAX_BODY, LoopbackServer


@dataclass(frozen=True, slots=True)
class Message:
    """One request that the webhook received."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def message_id(self) -> str:
        """The ``webhook-id``: the same on each attempt, hence what tells a repetition."""
        return self.headers.get("webhook-id", "")

    @property
    def job_id(self) -> str:
        """The job that it belongs to."""
        return self.headers.get("x-job-id", "")

    @property
    def correlation_id(self) -> str:
        """The caller's own id."""
        return self.headers.get("x-correlation-id", "")

    @property
    def service(self) -> str:
        """The service that it is about; empty on an aggregate."""
        return self.headers.get("x-service", "")

    @property
    def kind(self) -> str:
        """One of direct, indirect, error, aggregate; empty when it is no message of a sidecar."""
        return self.headers.get("x-result-kind", "")

    @property
    def status(self) -> str:
        """One of succeeded, failed, partial."""
        return self.headers.get("x-result-status", "")

    def summary(self) -> str:
        """Say in words what this is."""
        if not self.kind:
            return f"received {self.method} {self.path}, which is no message of a sidecar"
        about = f"about the service {self.service}" if self.service else "about all services"
        attempt = self.headers.get("x-attempt", "1")
        again = f", attempt {attempt}" if attempt != "1" else ""
        return f"received a message of kind {self.kind} {about}: {self.status}{again}"


class Inbox:
    """The messages received so far, without repetitions, in order of arrival."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._seen: set[str] = set()
        self._changed = asyncio.Condition()

    async def put(self, message: Message) -> None:
        """Keep a message, unless it is a repetition of one."""
        async with self._changed:
            if message.message_id and message.message_id in self._seen:
                return
            self._seen.add(message.message_id)
            self.messages.append(message)
            self._changed.notify_all()

    async def until(self, enough: Callable[[list[Message]], bool], *, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until ``enough`` holds for the messages; tell whether it does."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: enough(self.messages))
        except TimeoutError:
            return False
        return True


class Webhook:
    """An HTTP server that takes every method and path.

    Args:
        received: Called with each message, repetitions included.
        host: The address to listen on.
        port: The port; 0 picks one.
        status: What to answer.
        delay: Seconds to wait before the answer.
    """

    def __init__(
        self,
        received: Callable[[Message], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        status: int = 204,
        delay: float = 0.0,
    ) -> None:
        self.inbox = Inbox()
        self._received = received
        self._status = status
        self._delay = delay
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._server = LoopbackServer(app, host=host, port=port)
        self.start = self._server.start
        self.stop = self._server.stop

    @property
    def url(self) -> str:
        """The address to give as ``callback-url``."""
        return f"{self._server.url}/webhook"

    async def _take(self, request: web.Request) -> web.Response:
        # The handler's auto_decompress is aiohttp's: people read the text, not the gzip.
        message = Message(request.method, request.path, request.headers, await request.read())
        self._received(message)
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._status < 300:  # noqa: PLR2004 - the first status that is no success
            await self.inbox.put(message)
        return web.Response(status=self._status)
