"""The listener: a low-level aiohttp server whose every answer is the handler's or a problem document."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.problems import Problem
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.web import faults
from sidecar.web.home import Entry, Limits
from sidecar.web.problem import problem_response
from sidecar.web.protocol import LINGER, ListenerRequest, ProblemProtocol, make_request
from sidecar.web.tls import ServerTls

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Answered = Callable[[int], None]
"""Is told the status of each answer."""

# After the listening socket is closed, idle connections live on for so many seconds: a request that a gateway
# is just sending on one of them is answered instead of reset.
_IDLE_GRACE = 1.0
_MAX_CORRELATION_ID = 128
# So many connections beyond the most are told so at the same time; more of them are cut off.
_ANTEROOM = 64


class ProblemServer(web.Server):
    """Builds the connections of one listener and answers their requests through one handler."""

    def __init__(self, handler: Handler, *, name: str, limits: Limits, log: EventLog, answered: Answered) -> None:
        super().__init__(self._answer, request_factory=make_request)
        self.limits = limits
        self.retiring = False
        self._turned_away = 0
        self._handler = handler
        self._name = name
        self._log = log
        self._answered = answered

    def __call__(self) -> ProblemProtocol:
        """Make the protocol of one new connection."""
        return ProblemProtocol(self, loop=self._loop, home=self)

    def enter(self) -> Entry:
        """Say whether there is a place for one more connection, which is among the connections already."""
        if len(self._connections) - self._turned_away <= self.limits.connections:
            return Entry.SERVED
        self._turned_away += 1
        return Entry.TURNED_AWAY if self._turned_away <= _ANTEROOM else Entry.CUT_OFF

    def leave(self) -> None:
        """Count a connection that was turned away no longer."""
        self._turned_away -= 1

    def retire(self) -> None:
        """Close connections as they become idle; answers from now on say ``Connection: close``."""
        self.retiring = True
        for connection in self.connections:
            if isinstance(connection, ProblemProtocol):
                connection.retire()

    def refuse(self, request: web.BaseRequest, problem: Problem) -> web.StreamResponse:
        """Answer a request that cannot be read; the connection ends with it."""
        self._log.info(Event.LISTENER_PROBLEM, listener=self._name, status=problem.status, code=problem.code)
        response = self._problem(request, problem)
        response.force_close()
        self._answered(problem.status)
        return response

    def fault(self, error: BaseException | None, request: web.BaseRequest | None = None) -> None:
        """Report what went wrong, in a handler or outside of any."""
        self._log.error(
            Event.LISTENER_PROBLEM,
            listener=self._name,
            code=faults.INTERNAL.code,
            correlation_id=None if request is None else correlation_id(request),
            exc_info=error,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if isinstance(request, ListenerRequest) and request.fault is not None:
                return self.refuse(request, request.fault)
            response = await self._handler(request)
        except ProblemError as error:
            response = self._problem(request, error.problem)
        except LedgerUnavailable:
            response = self._problem(request, faults.NOT_STORED)
        except Exception as error:  # noqa: BLE001 - whatever a handler failed on, the client gets a problem document
            if isinstance(error, ConnectionError) and _has_left(request):
                return self._problem(request, faults.INTERNAL)  # nobody hears it
            self.fault(error, request)
            self._answered(faults.INTERNAL.status)
            return self._problem(request, faults.INTERNAL)
        self._answered(response.status)
        return response

    def _problem(self, request: web.BaseRequest, problem: Problem) -> web.Response:
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun: nothing can be added to it but its end")
        return problem_response(problem, correlation_id(request))


class Listener:
    """A listening socket with its connections."""

    def __init__(self, server: ProblemServer, sockets: asyncio.Server) -> None:
        self._server = server
        self._sockets = sockets
        self._retirement: asyncio.TimerHandle | None = None
        self.port: int = sockets.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Take no new connections; each answer closes its connection, and idle ones close after a second."""
        if self._retirement is None:
            self._sockets.close()
            self._server.retiring = True
            self._retirement = asyncio.get_running_loop().call_later(_IDLE_GRACE, self._server.retire)

    async def stop(self, grace: float) -> None:
        """Close everything; requests under way get up to ``grace`` seconds. May be called twice."""
        self.stop_listening()
        if self._retirement is not None:
            self._retirement.cancel()
        self._server.retire()
        await self._server.shutdown(grace)


async def serve(
    handler: Handler,
    *,
    name: str,
    host: str,
    port: int,
    log: EventLog,
    answered: Answered = lambda _: None,
    limits: Limits | None = None,
    reuse_port: bool = False,
    backlog: int = 1024,
    tls: ServerTls | None = None,
) -> Listener:
    """Listen on ``host``:``port`` (0 takes any free port) and answer through ``handler``; by TLS if it is given.

    Raises:
        OSError: the address cannot be bound.
    """
    limits = limits or Limits()
    server = ProblemServer(handler, name=name, limits=limits, log=log, answered=answered)
    sockets = await asyncio.get_running_loop().create_server(
        server,
        host,
        port,
        reuse_port=reuse_port or None,
        backlog=backlog,
        ssl=None if tls is None else tls.context,
        ssl_handshake_timeout=None if tls is None else limits.head_timeout,
        ssl_shutdown_timeout=None if tls is None else LINGER,
    )
    return Listener(server, sockets)


def _has_left(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


def correlation_id(request: web.BaseRequest) -> str | None:
    """Give the request's ``x-correlation-id`` if it is usable: one value, 1..128 visible ASCII characters."""
    values = request.headers.getall("X-Correlation-Id", ())
    if len(values) != 1 or not 0 < len(values[0]) <= _MAX_CORRELATION_ID:
        return None
    value = values[0]
    return value if value.isascii() and value.isprintable() and " " not in value else None
