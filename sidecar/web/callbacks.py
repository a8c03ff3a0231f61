"""The callbacks listener: what services send us."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from sidecar.gather.large import Compared
from sidecar.gather.stage import Gather
from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.web.basket import Sink
from sidecar.web.body import BodyReader
from sidecar.web.problem import problem_response
from sidecar.web.whole import WholeAnswer

_PREFIX = "/callbacks/"
_STORED = b'{"status":"stored"}'
_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
UNAVAILABLE = Problem(
    503, "database_unavailable", "The callback was not stored; repeat the same bytes.", {"retry-after": "2"}
)


class CallbacksHandler:
    """Parse, call the stage, render. 202 means durable: the service may forget its result."""

    def __init__(self, *, gather: Gather, bodies: BodyReader, log: EventLog) -> None:
        self._gather = gather
        self._bodies = bodies
        self._log = log

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``POST /callbacks/{job}/{service}/{token}``."""
        try:
            await self._receive(request)
        except ProblemError as error:
            return problem_response(error.problem, None)
        except LedgerUnavailable as error:
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="gather", error=str(error))
            return problem_response(UNAVAILABLE, None)
        return WholeAnswer(status=202, headers=_HEADERS, body=_STORED)

    async def _receive(self, request: web.BaseRequest) -> None:
        path = request.raw_path
        if not path.startswith(_PREFIX):
            raise ProblemError(Problem(404, "not_found", "Callbacks are taken at the callback-url that was sent."))
        segments = path[len(_PREFIX) :].partition("?")[0].split("/")
        if len(segments) != 3:  # noqa: PLR2004 - job, service, token
            raise ProblemError(Problem(404, "not_found", "Callbacks are taken at the callback-url that was sent."))
        if request.method != "POST":
            raise ProblemError(Problem(405, "method_not_allowed", "Use POST.", {"allow": "POST"}))
        job, service, token = segments
        job_id, kind = self._gather.authenticate(job, service, token)
        headers = request.raw_headers
        large: Callable[[], Awaitable[Sink[StoredObject | Compared]]] | None
        large = partial(self._gather.begin, job_id, service, headers) if self._gather.takes_large else None
        try:
            body: bytes | StoredObject | Compared = await self._bodies.read(request, beyond=large)
        except OffloadError as error:
            raise self._gather.unkept(job_id, error) from error
        try:
            await self._gather.receive(job_id, service, kind=kind, headers=headers, body=body, token=token)
        finally:
            self._bodies.done(body)
