"""The admin listener: probes, metrics, the admin API and the console."""

from collections.abc import Callable, Collection
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from sidecar.model.audit import Actor
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.telemetry.exposition import Exposition
from sidecar.web.api.document import PREFIX
from sidecar.web.console.visit import ROOT as CONSOLE
from sidecar.web.problem import problem_response
from sidecar.web.tokens import Tokens

_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_TEXT = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
PATHS = ("/livez", "/readyz", "/metrics")
_NOT_FOUND = Problem(404, "not_found", f"Here are /livez, /readyz, /metrics, {CONSOLE} and {PREFIX}/openapi.json.")
_UNAUTHORIZED = Problem(
    401, "unauthorized", "Send a token of admin.tokens as a bearer token.", headers={"WWW-Authenticate": "Bearer"}
)
_READING_ONLY = Problem(405, "method_not_allowed", "Use GET.", headers={"Allow": "GET, HEAD"})


class Api(Protocol):
    """What operators may ask and do."""

    async def answer(self, request: web.BaseRequest, actor: Actor) -> web.StreamResponse:
        """Answer one request of somebody who was recognized."""


class Console(Protocol):
    """Pages for operators."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whoever sends it."""


class AdminHandler:
    """Answer ``/livez``, ``/readyz``, ``/metrics`` and the admin API.

    Args:
        ready: Why this process should get no requests now; ``None`` when it may. The state of the database is no
            such reason: while it is away callers must get our 503 with Retry-After, not a missing service.
        metrics: What ``/metrics`` shows.
        open_paths: Paths that need no token.
        tokens: Bearer tokens, any of which opens every path.
        api: The admin API.
        console: Pages for operators, who sign in there.
    """

    def __init__(
        self,
        *,
        ready: Callable[[], str | None],
        metrics: Exposition,
        open_paths: Collection[str] = PATHS,
        tokens: Tokens | None = None,
        api: Api | None = None,
        console: Console | None = None,
    ) -> None:
        self._why_not = ready
        self._metrics = metrics
        self._open = frozenset(open_paths)
        self._tokens = tokens or Tokens()
        self._api = api
        self._console = console

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if self._api is not None and path.startswith(f"{PREFIX}/"):
            return await self._api.answer(request, self._authorize(request))
        if self._console is not None and (path == CONSOLE or path.startswith(f"{CONSOLE}/")):
            return await self._console.answer(request)
        if path not in PATHS:
            raise ProblemError(_NOT_FOUND)
        if path not in self._open:
            self._authorize(request)
        if request.method not in {"GET", "HEAD"}:
            raise ProblemError(_READING_ONLY)
        if path == "/metrics":
            return web.Response(body=await self._metrics.expose(), headers=_TEXT)
        if path == "/livez":
            return web.Response(body=b'{"status":"alive"}', headers=_JSON)
        return self._readiness()

    def _authorize(self, request: web.BaseRequest) -> Actor:
        actor = self._tokens.of_header(request.headers.get("Authorization", ""))
        if actor is None:
            raise ProblemError(_UNAUTHORIZED)
        return actor

    def _readiness(self) -> web.Response:
        reason = self._why_not()
        if reason is None:
            return web.Response(body=b'{"status":"ready"}', headers=_JSON)
        return problem_response(Problem(503, "not_ready", f"Not ready: {reason}.", extra={"reasons": [reason]}))
