"""Backend services whose behaviour a test chooses, and the callbacks that they make."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, web
from multidict import CIMultiDictProxy

from tests.acceptance.harness.http import Client, Server, Tasks
from tests.acceptance.harness.waiting import tick

FIRST_PAUSE = 0.1  # seconds; doubled, as services are told to, from a start that suits tests
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request that a service got."""

    service: str
    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def job_id(self) -> str:
        return self.headers["x-job-id"]

    @property
    def callback_url(self) -> str:
        return self.headers["callback-url"]


Behaviour = Callable[[Call], Awaitable[web.StreamResponse]]
Result = Callable[[Call], bytes]


class Callbacks:
    """Posts results as a well-behaved service does: the same bytes again after a 503 and after no answer."""

    def __init__(self) -> None:
        self.origins: list[str] = []  # callback listeners that a load balancer would choose from; empty: as given
        self.statuses: list[int] = []  # final answers
        self.repeats = 0
        self._client = Client(timeout=5.0)
        self._chance = random.Random(7)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Post until there is a final answer; return its status."""
        wait = FIRST_PAUSE
        while True:
            status = await self.post_once(self._balanced(url), body, headers)
            if status not in {0, 503}:
                self.statuses.append(status)
                return status
            self.repeats += 1
            await tick(wait)
            wait = min(2 * wait, LONGEST_PAUSE)

    async def post_once(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Post once; 0 when no answer came."""
        try:
            return (await self._client.send("POST", url, body=body, headers=headers)).status
        except (ClientError, TimeoutError, OSError):
            return 0

    async def close(self) -> None:
        await self._client.close()

    def _balanced(self, url: str) -> str:
        if not self.origins:
            return url
        return self._chance.choice(self.origins) + url[url.index("/", len("http://")) :]


class Services:
    """All services of a test behind one port: the first path segment names the service."""

    def __init__(self, port: int, callbacks: Callbacks, tasks: Tasks) -> None:
        self.calls: list[Call] = []
        self.callbacks = callbacks
        self.behaviours: dict[str, Behaviour] = {}
        self.over = asyncio.Event()
        self._tasks = tasks
        self._server = Server(self._serve, port)
        self.start = self._server.start
        self.url = self._server.url

    async def stop(self) -> None:
        self.over.set()
        await self._server.stop()

    def called(self, service: str) -> list[Call]:
        return [call for call in self.calls if call.service == service]

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.split("/", 2)[1]
        # Not request.read(), which takes a MiB at most.
        call = Call(name, request.method, request.raw_path, request.headers, await request.content.read())
        self.calls.append(call)
        return await self.behaviours[name](call)

    # Behaviours

    def calls_back(self, result: Result, headers: Mapping[str, str] | None = None) -> Behaviour:
        """Take the call, and post the result at once."""

        async def behave(call: Call) -> web.StreamResponse:
            self._tasks.spawn(self.callbacks.post(call.callback_url, result(call), headers))
            return web.Response(status=202)

        return behave

    def responds(self, result: Result, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
        """Answer with the result."""

        async def behave(call: Call) -> web.StreamResponse:
            return web.Response(status=status, body=result(call), headers=headers)

        return behave

    def answers(self, status: int, body: bytes = b"") -> Behaviour:
        """Answer with a status, and do nothing."""
        return self.responds(lambda _: body, status=status)

    def hangs(self) -> Behaviour:
        """Take the request and never answer it."""

        async def behave(_: Call) -> web.StreamResponse:
            await self.over.wait()
            return web.Response(status=500)

        return behave

    def waits_for(self, gate: asyncio.Event, then: Behaviour) -> Behaviour:
        """Behave once the test opens the gate."""

        async def behave(call: Call) -> web.StreamResponse:
            await gate.wait()
            return await then(call)

        return behave

    def in_turn(self, *behaviours: Behaviour) -> Behaviour:
        """Behave differently at each call of a job; the last one stays."""
        seen: dict[str, int] = {}

        async def behave(call: Call) -> web.StreamResponse:
            place = seen.get(call.job_id, 0)
            seen[call.job_id] = place + 1
            return await behaviours[min(place, len(behaviours) - 1)](call)

        return behave
