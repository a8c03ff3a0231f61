"""A webhook receiver for people: it keeps what arrives, so that one can wait for it and look at it."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from aiohttp import ClientSession, web
from multidict import CIMultiDictProxy

from sidecar.dev.indirect import Download, decoded, follow, links_of
from sidecar.dev.loopback import MAX_BODY, LoopbackServer
from sidecar.model.webhook_signature import Verifier, complaint

AWAY = 503
UNAUTHORIZED = 401

Whose = Callable[[Mapping[str, str]], str | None]
"""Tells whose credentials a request's headers show; None when they show none that are valid."""
GENUINE = "genuine"
"""What is said of a signature that is right."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request that the webhook received. ``downloads`` are the bodies that it links, once they were fetched."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    answer: int = 204  # the webhook's
    pause: float | None = None  # seconds since the attempt before
    signed: str | None = None  # what verifying its signature said; None: nobody has asked
    downloads: tuple[Download, ...] = ()
    user: str = ""  # the service user whose credentials it showed

    @property
    def taken(self) -> bool:
        """Whether the webhook took it; otherwise it comes again."""
        return self.answer < 300  # noqa: PLR2004 - the first status that is no success

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
        came = f", as the service user {self.user}" if self.user else ""
        about = f"about the service {self.service}" if self.service else "about all services"
        attempt = self.headers.get("x-attempt", "1")
        again = f", attempt {attempt}" if attempt != "1" else ""
        after = f", {self.pause:.1f} s after the attempt before" if self.pause is not None else ""
        signed = f"; its signature: {self.signed}" if self.signed is not None else ""
        refused = "" if self.taken else f"; it is answered {self.answer}"
        return f"received a message of kind {self.kind} {about}: {self.status}{came}{again}{after}{signed}{refused}"


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
        followed: Called with a message whose links were followed. None: links are left alone.
        host: The address to listen on.
        port: The port; 0 picks one.
        status: What to answer.
        delay: Seconds to wait before the answer.
        tls: The certificate, for https.
        whose: Tells whose credentials a request's headers show; what shows none is answered 401. None: all may come.
        key: Verifies signatures.
    """

    def __init__(
        self,
        received: Callable[[Message], None],
        *,
        followed: Callable[[Message], None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        status: int = 204,
        delay: float = 0.0,
        tls: ssl.SSLContext | None = None,
        whose: Whose | None = None,
        key: Verifier | None = None,
    ) -> None:
        self._key = key
        self.inbox = Inbox()
        self._received = received
        self._followed = followed
        self._status = status
        self._delay = delay
        self._whose = whose
        self._away: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._server = LoopbackServer(app, host=host, port=port, tls=tls, auto_decompress=False)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        await self._server.start()
        self._session = ClientSession(auto_decompress=False)

    async def stop(self) -> None:
        """Stop listening and drop the downloads under way."""
        await self._server.stop()
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def url(self) -> str:
        """The address to give as ``callback-url``."""
        return f"{self._server.url}/webhook"

    def be_away(self, name: str, *, times: int) -> str:
        """Answer the next ``times`` requests at an address of its own with 503; returns that address."""
        self._away[f"/webhook/{name}"] += times
        return f"{self.url}/{name}"

    async def _take(self, request: web.Request) -> web.Response:
        came = await request.read()
        # A signature is of the bytes as they came; people read the text, not the gzip.
        body = decoded(came, request.headers.get("content-encoding"))
        message = Message(request.method, request.path, request.headers, body)
        user = "" if self._whose is None else self._whose(request.headers)
        answer = UNAUTHORIZED if user is None else self._answer(request.path)
        signed = self._verified(request, came)
        message = replace(message, answer=answer, pause=self._pause(message.message_id), user=user or "", signed=signed)
        self._received(message)
        if self._delay:
            await asyncio.sleep(self._delay)
        if message.taken:
            await self._keep(message)
        return web.Response(status=message.answer)

    def _verified(self, request: web.Request, body: bytes) -> str | None:
        if self._key is None:
            return None
        return complaint(self._key, request.headers, body, now=time.time()) or GENUINE

    def _answer(self, path: str) -> int:
        if not self._away[path]:
            return self._status
        self._away[path] -= 1
        return AWAY

    def _pause(self, message_id: str) -> float | None:
        now = asyncio.get_running_loop().time()
        last = self._last.get(message_id)
        if message_id:
            self._last[message_id] = now
        return None if last is None else now - last

    async def _keep(self, message: Message) -> None:
        if self._followed is None or not links_of(message.body):
            await self.inbox.put(message)
            return
        # After the answer: a sender must not wait for a download.
        task = asyncio.create_task(self._follow(message, self._followed))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _follow(self, message: Message, followed: Callable[[Message], None]) -> None:
        session = self._session
        if session is None:
            return
        found = await asyncio.gather(*(follow(link, session) for link in links_of(message.body)))
        message = replace(message, downloads=tuple(found))
        followed(message)
        await self.inbox.put(message)
