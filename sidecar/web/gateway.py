"""The gateway listener: what WSO2 sends us, and what a caller may ask about a job."""

import time
from functools import partial
from uuid import UUID

from aiohttp import web

from sidecar.accept.answer import Answer
from sidecar.accept.identity import Caller, Peer, Unidentified, caller_of
from sidecar.accept.quotas import Quotas
from sidecar.accept.replay import Accepted
from sidecar.accept.request import (
    AcceptRequest,
    AcceptRules,
    check_one_result,
    correlation_of,
    index_headers,
    read_request,
)
from sidecar.accept.stage import Acceptor
from sidecar.accept.targets import Targets
from sidecar.accept.view import Jobs, render_job, render_result
from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.model.stored import StoredObject
from sidecar.offload.errors import OffloadError
from sidecar.settings.route_table import Match, RouteTable, check_media_type
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing
from sidecar.web.body import BodyReader, let_small_body_come
from sidecar.web.download import GONE, Downloads
from sidecar.web.problem import problem_response
from sidecar.web.protocol import ProblemProtocol
from sidecar.web.public_keys import PublicKeys, asks_for_keys, keys_response
from sidecar.web.whole import WholeAnswer

_JOBS = "/_jobs/"
_AFTER_THE_BODY = frozenset({408, 413})  # these were said of the body itself
OVERLOADED = Problem(503, "overloaded", "Too many requests are under way; repeat in a second.", {"retry-after": "1"})
UNAVAILABLE = Problem(
    503, "database_unavailable", "The request was not stored; repeat it in a few seconds.", {"retry-after": "2"}
)


class GatewayHandler:
    """Parse, call the stage, render."""

    def __init__(
        self,
        *,
        rules: AcceptRules,
        routes: RouteTable,
        acceptor: Acceptor,
        targets: Targets,
        jobs: Jobs,
        max_pending: int,
        bodies: BodyReader,
        log: EventLog,
        metrics: Metrics,
        downloads: Downloads | None = None,
        keys: PublicKeys,
        quotas: Quotas | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._rules = rules
        self._routes = routes
        self._acceptor = acceptor
        self._targets = targets
        self._jobs = jobs
        self._max_pending = max_pending
        self._bodies = bodies
        self._log = log
        self._metrics = metrics
        self._downloads = downloads
        self._keys = keys
        self._quotas = quotas
        self._tracing = tracing
        self._pending = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error is a problem document with the correlation id."""
        correlation_id: str | None = None
        began = time.monotonic()
        self._pending += 1
        try:
            headers = index_headers(request.raw_headers)
            correlation_id = correlation_of(headers, self._rules.correlation)
            # The gateway may put the base path of an API in front of /_jobs.
            _, about_jobs, asked = request.path.rpartition(_JOBS)
            caller = await caller_of(self._rules.identity, headers, peer_of(request))
            if asks_for_keys(request):
                return keys_response(request, self._keys, correlation_id)
            if about_jobs:
                return await self._about_job(request, asked, caller, correlation_id)
            return await self._accept(request, headers, caller, correlation_id, began=began)
        except ProblemError as error:
            self._metrics.job_answered(error.problem.status)
            if isinstance(error, Unidentified):
                self._log.info(Event.GATEWAY_UNIDENTIFIED, reason=error.reason, correlation_id=correlation_id)
            if error.problem.status not in _AFTER_THE_BODY:
                await let_small_body_come(request)
            return problem_response(error.problem, correlation_id)
        except LedgerUnavailable as error:
            self._metrics.job_answered(503)
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="accept", correlation_id=correlation_id, error=str(error))
            return problem_response(UNAVAILABLE, correlation_id)
        finally:
            self._pending -= 1

    async def _accept(
        self,
        request: web.BaseRequest,
        headers: dict[str, list[bytes]],
        caller: Caller,
        correlation_id: str,
        *,
        began: float,
    ) -> web.StreamResponse:
        if self._pending > self._max_pending:
            raise ProblemError(OVERLOADED)
        read = read_request(request.raw_headers, headers, correlation_id, caller=caller, rules=self._rules)
        match = self._routes.match(request.method, request.raw_path, sandbox=read.caller.sandbox)
        check_media_type(match.route.accepts, request.headers.get("content-type"))
        target = request.raw_path
        check_one_result(read, match)
        over = await self._over(request, read)
        place = None if self._quotas is None else self._quotas.enter(caller.application)
        try:
            await self._targets.check(read)
            job_id = self._acceptor.new_job_id()
            body = await self._read(request, match, job_id)
            try:
                accepted = await self._acceptor.accept(
                    read, match, method=request.method, target=target, body=body, job_id=job_id, over=over, place=place
                )
                seconds = time.monotonic() - began
                self._metrics.job_answered(accepted.answer.status, seconds, route=match.route.path)
                self._trace(read, match, accepted, seconds)
                return await self._write(request, accepted)
            finally:
                self._bodies.done(body)
        finally:
            if place is not None:
                place.leave()

    def _trace(self, read: AcceptRequest, match: Match, accepted: Accepted, seconds: float) -> None:
        if self._tracing is None:
            return
        self._tracing.accepted(
            read.traceparent,
            read.sent_trace,
            seconds=seconds,
            attributes={
                "sidecar.job_id": str(accepted.job_id),
                "sidecar.correlation_id": read.correlation_id,
                "http.route": match.route.path,
                "http.response.status_code": accepted.answer.status,
            },
        )

    async def _over(self, request: web.BaseRequest, read: AcceptRequest) -> Problem | None:
        """Tell the limit of the application that is reached, where this can still be a repetition; else refuse.

        Raises:
            ProblemError: 429.
        """
        if self._quotas is None:
            return None
        application = read.caller.application
        over = await self._quotas.over(application, request.content_length or 0)
        if over is not None and not (read.idempotency_key is not None and self._quotas.may_look(application)):
            raise ProblemError(over)
        return over

    async def _read(self, request: web.BaseRequest, match: Match, job_id: UUID) -> bytes | StoredObject:
        large, route = self._acceptor.large, match.route
        if large is None:
            return await self._bodies.read(request, limit=route.max_body)
        begin = partial(large.begin, job_id, request.raw_headers, route.path)
        try:
            return await self._bodies.read(request, limit=route.max_body, beyond=begin)
        except OffloadError as error:
            raise large.unkept(error) from error

    async def _write(self, request: web.BaseRequest, accepted: Accepted) -> web.StreamResponse:
        """Write the answer here rather than after the handler: what follows depends on whether it was written."""
        response = _response(accepted.answer)
        written = False
        try:
            await response.prepare(request)
            await response.write_eof()
            written = True
        except ConnectionError:
            pass  # the caller is gone; its job goes on, and its webhook hears of it
        finally:
            self._acceptor.settle(accepted, written=written)
        return response

    async def _about_job(
        self, request: web.BaseRequest, asked: str, caller: Caller, correlation_id: str
    ) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            raise ProblemError(Problem(405, "method_not_allowed", "Use GET.", {"allow": "GET, HEAD"}))
        if self._quotas is not None and (over := self._quotas.over_rate(caller.application)) is not None:
            raise ProblemError(over)
        job, _, rest = asked.partition("/")
        try:
            job_id = UUID(job)
        except ValueError:
            raise ProblemError(Problem(404, "job_unknown", "There is no such job, or it is not yours.")) from None
        if not rest:
            return _response(await render_job(self._jobs, job_id, caller.application, correlation_id))
        kind, _, service = rest.partition("/")
        if kind != "results" or not service or "/" in service:
            raise ProblemError(Problem(404, "not_found", "A job has its state, and results/{service}."))
        result = await render_result(self._jobs, job_id, service, caller.application, correlation_id)
        if isinstance(result, Answer):
            return _response(result)
        if self._downloads is None:
            raise ProblemError(GONE)
        return await self._downloads.answer(request, result)


def _response(answer: Answer) -> web.Response:
    return WholeAnswer(status=answer.status, headers=answer.headers, body=answer.body)


def peer_of(request: web.BaseRequest) -> Peer:
    """Tell the names of the client's certificate."""
    connection = request.protocol
    return connection.peer if isinstance(connection, ProblemProtocol) else None
