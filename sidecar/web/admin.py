"""The admin listener: probes and metrics."""

from collections.abc import Callable
from typing import Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from sidecar.model.errors import ProblemError
from sidecar.model.problems import CONTENT_TYPE, TYPE_PREFIX, Problem

_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_PROBLEM = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
_TEXT = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
_NOT_FOUND = Problem(404, "not_found", "Here are /livez, /readyz and /metrics.")
_READING_ONLY = Problem(405, "method_not_allowed", "Use GET.", headers={"Allow": "GET, HEAD"})


class Exposition(Protocol):
    """Something that renders metrics in the Prometheus text format."""

    async def expose(self) -> bytes:
        """Render what is known now."""


class AdminHandler:
    """Answer ``/livez``, ``/readyz`` and ``/metrics``.

    Args:
        ready: Why this process should get no requests now; ``None`` when it may. The state of the database is no
            such reason: while it is away callers must get our 503 with Retry-After, not a missing service.
        metrics: What ``/metrics`` shows.
    """

    def __init__(self, *, ready: Callable[[], str | None], metrics: Exposition) -> None:
        self._why_not = ready
        self._metrics = metrics

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if path not in {"/livez", "/readyz", "/metrics"}:
            raise ProblemError(_NOT_FOUND)
        if request.method not in {"GET", "HEAD"}:
            raise ProblemError(_READING_ONLY)
        if path == "/metrics":
            return web.Response(body=await self._metrics.expose(), headers=_TEXT)
        if path == "/livez":
            return web.Response(body=b'{"status":"alive"}', headers=_JSON)
        return self._readiness()

    def _readiness(self) -> web.Response:
        reason = self._why_not()
        if reason is None:
            return web.Response(body=b'{"status":"ready"}', headers=_JSON)
        document = {
            "type": f"{TYPE_PREFIX}not_ready",
            "title": "The sidecar should get no requests now",
            "status": 503,
            "detail": f"Not ready: {reason}.",
            "code": "not_ready",
            "reasons": [reason],
        }
        return web.Response(status=503, body=orjson.dumps(document), headers=_PROBLEM)
