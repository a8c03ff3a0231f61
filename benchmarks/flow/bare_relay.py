"""The measure of all things here: the same four hops with aiohttp, and nothing stored.

A request is passed to the service and answered 202 once the service took it; the service's callback is passed to
the caller's webhook. It is tuned as well as the sidecar is: uvloop, bounded connections to each host, no access log,
no cookies, and a garbage collector that looks rarely. A crash loses everything.
"""

import argparse
import asyncio
import gc
from uuid import uuid4

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

PER_HOST = 64
"""Connections to one host, as the sidecar has them."""

GC_THRESHOLDS = (20_000, 20, 50)
"""As in the sidecar: a fair baseline does not pay for a collector that the other has calmed."""


class Relay:
    """Accept, call the service, take the callback, call the webhook."""

    def __init__(self, session: ClientSession, *, service: str, own: str) -> None:
        self._session = session
        self._service = service
        self._own = own
        self._webhooks: dict[str, tuple[str, str]] = {}

    async def accept(self, request: web.Request) -> web.Response:
        """Pass a request to the service."""
        body = await request.read()
        job_id, correlation_id = str(uuid4()), request.headers["x-correlation-id"]
        self._webhooks[job_id] = request.headers["callback-url"], correlation_id
        headers = {
            "content-type": request.headers["content-type"],
            "callback-url": f"{self._own}/callbacks/{job_id}",
            "x-correlation-id": correlation_id,
        }
        async with self._session.post(self._service, data=body, headers=headers) as answer:
            await answer.read()
            if not answer.ok:
                del self._webhooks[job_id]
                return web.Response(status=502)
        return web.json_response({"job_id": job_id, "status": "invoked"}, status=202)

    async def callback(self, request: web.Request) -> web.Response:
        """Pass a callback to the webhook; the service is answered when the webhook has it."""
        body = await request.read()
        url, correlation_id = self._webhooks.pop(request.match_info["job_id"])
        headers = {"content-type": request.headers["content-type"], "x-correlation-id": correlation_id}
        async with self._session.post(url, data=body, headers=headers) as answer:
            await answer.read()
        return web.Response(status=202)


async def serve(port: int, service: str) -> None:
    """Serve until cancelled."""
    connector = TCPConnector(limit=0, limit_per_host=PER_HOST)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False) as session:
        relay = Relay(session, service=service, own=f"http://127.0.0.1:{port}")
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/bench", relay.accept)
        app.router.add_post("/callbacks/{job_id}", relay.callback)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service", required=True, help="URL of the service")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.service))


if __name__ == "__main__":
    main()
