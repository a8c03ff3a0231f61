"""Plain HTTP for both sides: servers that keep what they get, byte for byte, and a client that adds nothing."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDictProxy

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
AUTOMATIC = ("accept", "accept-encoding", "content-type", "user-agent")
LARGE = 512 * 1024  # bytes; aiohttp wants to be given more than that in pieces


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json"
        return self.json


class Client:
    """Sends requests with exactly the headers that it is given."""

    def __init__(self, *, timeout: float = 60.0) -> None:
        self._session = ClientSession(
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=timeout),
            skip_auto_headers=AUTOMATIC,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
        )

    async def send(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        data = BytesIO(body) if len(body) > LARGE else body or None
        async with self._session.request(method, url, data=data, headers=headers, allow_redirects=False) as got:
            return Answer(got.status, got.headers, await got.read())

    async def close(self) -> None:
        await self._session.close()


class Server:
    """A server on one loopback port."""

    def __init__(self, handler: Handler, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._port = port
        self._tls = tls
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        server = web.Server(self._handler, auto_decompress=False, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024, ssl_context=self._tls).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._port}"


class Tasks:
    """Work that goes on beside the test and ends with it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
