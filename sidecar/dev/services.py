"""Backend services for demonstrations, each with a behaviour that real ones have."""

import asyncio
from hashlib import sha256, shake_256

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from sidecar.dev.loopback import MAX_BODY, LoopbackServer
from sidecar.dev.narrator import Narrator

WORK_TIME = 0.8  # seconds that billing "works" before it calls back
REPEATS = 6
PRICE = 12.5
LARGE = 20_000_000  # bytes, and a few more


def large_result(order: str) -> bytes:
    """Make the large result of an order: always the same bytes for the same order."""
    scans = shake_256(order.encode()).hexdigest(LARGE // 2)
    return f'{{"order": "{order}", "scans": "{scans}"}}'.encode()


class DemoServices:
    """Serve ``billing`` (calls back later), ``stock`` (answers at once), ``risk`` (refuses) and ``archive``.

    All are on one port. ``archive`` calls back with a large result.
    """

    def __init__(self, narrator: Narrator, *, port: int = 0) -> None:
        self._narrator = narrator
        self._working: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/billing/{order}", self._billing)
        app.router.add_post("/stock/{order}", self._stock)
        app.router.add_post("/risk/{order}", self._risk)
        app.router.add_post("/archive/{order}", self._archive)
        self._server = LoopbackServer(app, port=port)

    @property
    def url(self) -> str:
        """The base URL of all of them."""
        return self._server.url

    async def start(self) -> None:
        """Listen."""
        self._session = ClientSession(timeout=ClientTimeout(total=60))
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening and drop the work under way."""
        await self._server.stop()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _billing(self, request: web.Request) -> web.Response:
        order = request.match_info["order"]
        try:
            lines = (orjson.loads(await request.read()) or {}).get("lines", [])
            pieces = sum(int(line.get("quantity", 1)) for line in lines)
        except (ValueError, AttributeError, TypeError):
            pieces = 1
        result = {"order": order, "invoice": f"INV-{order}", "total": PRICE * pieces}
        self._narrator.tell("billing", f"called for order {order}: answers 202, works, and will call back")
        return self._take("billing", request, orjson.dumps(result))

    async def _archive(self, request: web.Request) -> web.Response:
        body = large_result(request.match_info["order"])
        digest = sha256(body).hexdigest()
        self._narrator.tell(
            "archive", f"answers 202, and will call back with {len(body):,} bytes; their digest is {digest[:12]}..."
        )
        return self._take("archive", request, body)

    def _take(self, service: str, request: web.Request, result: bytes) -> web.Response:
        task = asyncio.create_task(self._call_back(service, request.headers.get("callback-url", ""), result))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return web.json_response({"taken": True}, status=202)

    async def _call_back(self, service: str, url: str, body: bytes) -> None:
        """Post the result, and repeat the same bytes after a 503 or no answer, as a good service does."""
        pause = WORK_TIME
        for _ in range(REPEATS):
            await asyncio.sleep(pause)
            status = await self._post(url, body)
            self._narrator.tell(service, f"called back with its result; the sidecar said {status or 'nothing'}")
            if status not in {0, 503}:
                return
            pause = pause * 2

    async def _post(self, url: str, body: bytes) -> int:
        """Post ``body``; 0 means that there was no answer."""
        if self._session is None:
            return 0
        try:
            async with self._session.post(url, data=body, headers={"content-type": "application/json"}) as answer:
                return answer.status
        except (ClientError, TimeoutError, ValueError):
            return 0

    async def _stock(self, request: web.Request) -> web.Response:
        order = request.match_info["order"]
        self._narrator.tell("stock", f"called for order {order}: answers at once, the answer is its result")
        return web.json_response({"order": order, "reserved": True, "warehouse": "Lyon"})

    async def _risk(self, request: web.Request) -> web.Response:
        order = request.match_info["order"]
        self._narrator.tell("risk", f"called for order {order}: refuses with 409")
        problem = {"title": "Credit limit reached", "status": 409, "detail": f"order {order} exceeds the credit limit"}
        return web.Response(status=409, body=orjson.dumps(problem), content_type="application/problem+json")
