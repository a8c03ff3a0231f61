"""One connection to a listener: aiohttp's, with limits on heads and problem documents instead of plain text.

aiohttp answers what its parser rejects in HTTP/1.0 plain text that echoes header values, has no time-out for
a head and no limit on all headers together, and does not answer when a body ends early.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

import yarl
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import ERROR, RequestHandler, RequestPayloadError, _ErrInfo
from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.model.problems import Problem
from sidecar.web import faults
from sidecar.web.home import Entry, Home, Limits
from sidecar.web.tls import names_of
from sidecar.web.turns import InTurn

# After an answer that ends the connection the rest of the request is read and dropped for so many seconds:
# closing at once would reset the connection, and the client might never see the answer (RFC 9112, 9.6).
LINGER = 2.0

_NO_HEADERS = CIMultiDictProxy(CIMultiDict[str]())
# Stands in for a head that could not be read, so that the answer to it is HTTP/1.1.
_UNREADABLE = RawRequestMessage(
    "UNKNOWN",
    "/",
    HttpVersion11,
    _NO_HEADERS,
    (),
    True,
    None,
    False,
    False,
    yarl.URL("/"),
)


class ListenerRequest(web.BaseRequest):
    """A request; ``fault`` says why it must be refused before any handler sees it."""

    ATTRS = web.BaseRequest.ATTRS | frozenset({"fault"})
    fault: Problem | None = None

    @property
    def ends_connection(self) -> bool:
        """Whether the connection ends with the answer: what is left of a body is not worth reading to keep it."""
        return cast("ProblemProtocol", self._protocol).retiring or not self._payload.is_eof()

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        del response.headers["Server"]
        if self.ends_connection:
            response.headers["Connection"] = "close"
            response.force_close()


class ProblemProtocol(InTurn):
    """The server side of one connection."""

    __slots__ = ("_ended", "_entry", "_failed", "_head_open", "_home", "body", "peer", "received")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, home: Home) -> None:
        limits = home.limits
        super().__init__(
            manager,
            write_timeout=limits.write_timeout,
            loop=loop,
            keepalive_timeout=limits.idle_timeout,
            access_log=None,
            max_line_size=limits.line,
            max_headers=limits.count,
            max_field_size=limits.field,
            lingering_time=LINGER,
            auto_decompress=False,
        )
        self._home = home
        self._entry = Entry.SERVED
        self._failed = False  # nothing that arrives any more can be read as HTTP
        self._head_open = False  # a head has begun and is not complete
        self._ended: asyncio.Future[None] | None = None  # the client's end of stream, while lingering
        self.body: StreamReader = EMPTY_PAYLOAD  # of the request under way
        self.received = 0  # bytes since the last head
        self.peer: frozenset[str] | None = None  # the names of the client's certificate, if it has shown one

    @property
    def limits(self) -> Limits:
        """The bounds of the listener."""
        return self._home.limits

    @property
    def retiring(self) -> bool:
        """Whether the listener closes its connections as they become idle."""
        return self._home.retiring

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the first head must be complete within the head time-out."""
        super().connection_made(transport)
        self._close_after(self.limits.head_timeout)
        self.peer = names_of(transport.get_extra_info("peercert"))
        self._entry = self._home.enter()
        if self._entry is not Entry.SERVED:
            self._turn_away(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """End: whoever lingers may stop."""
        super().connection_lost(exc)
        self._end_lingering()
        if self._entry is not Entry.SERVED:
            self._home.leave()

    def data_received(self, data: bytes) -> None:
        """Parse; then look after heads that are unfinished or unreadable."""
        if self._failed:
            return
        self.received += len(data)
        super().data_received(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if data:
                self._wait_for_head(len(data), waiter)
            return
        self._head_open = False
        messages = self._messages
        if messages and not isinstance(messages[-1][0], RawRequestMessage):
            self._failed = True
            self._fail_bodies("The body is not framed as HTTP")

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio: True keeps the write side open
        """Stay open to refuse a body that ended early; else the client left, and writing to it must fail.

        A client that only closes its write side gets no answer, but one that gave up is never taken for answered.
        """
        self._end_lingering()
        incomplete = self._fail_bodies("The body ended early")
        if incomplete and self.transport is not None and not self.transport.can_write_eof():
            return False  # under TLS an end is one of both directions
        if incomplete:
            self._close = True
        return incomplete

    def retire(self) -> None:
        """Close now if idle, else after the answer under way."""
        waiter = self._waiter
        if (waiter is not None and not waiter.done()) or not self._request_count:
            self.force_close()
        else:
            self._close = True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the parser's words hold what the client sent
    ) -> web.StreamResponse:
        """Answer what the parser refused (status 400) with a problem document.

        Raises:
            ConnectionError: nobody is there to be answered.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if status != HTTPStatus.BAD_REQUEST:
            return self._home.refuse(request, faults.INTERNAL)
        return self._home.refuse(request, faults.parse_problem(exc, line_limit=self.limits.line))

    def log_exception(self, *_: object, **kw: object) -> None:
        """Report an error outside of the handler; clients that went away are none."""
        error = kw.get("exc_info")
        if not isinstance(error, RequestPayloadError | ConnectionError):
            self._home.fault(error if isinstance(error, BaseException) else None)

    def _make_error_handler(self, err_info: _ErrInfo) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def refuse(request: web.BaseRequest) -> web.StreamResponse:
            response = self.handle_error(request, err_info.status, err_info.exc)
            await response.prepare(request)
            await response.write_eof()
            await self._linger()
            return response

        return refuse

    async def _linger(self) -> None:
        if self.transport is None or not self.transport.can_write_eof():
            return  # TLS drops what still arrives by itself, until the client has closed as well
        self._ended = self._loop.create_future()
        self.transport.write_eof()
        await asyncio.wait((self._ended,), timeout=LINGER)

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self._failed = True
        if self._entry is Entry.CUT_OFF:
            transport.abort()
            return
        self._messages.append((_ErrInfo(status=400, exc=faults.TooManyConnections(), message=""), EMPTY_PAYLOAD))
        if self._waiter is not None:  # from Python 3.12 on its task runs already
            self._waiter.set_result(None)

    def _end_lingering(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _wait_for_head(self, size: int, waiter: "asyncio.Future[None]") -> None:
        """Bound an unfinished head in time and size, with the timer that also ends idle connections."""
        if not self._head_open:
            self._head_open = True
            self.received = size
            self._close_after(self.limits.head_timeout)
        if self.received > self.limits.total + self.limits.line:
            self._failed = True
            too_large = _ErrInfo(status=400, exc=faults.HeadTooLarge(), message="")
            self._messages.append((too_large, EMPTY_PAYLOAD))
            waiter.set_result(None)

    def _close_after(self, seconds: float) -> None:
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = self._loop.time() + seconds
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _fail_bodies(self, why: str) -> bool:
        """Wake handlers that wait for bytes which will never come; tells whether there are such bodies."""
        unfinished = [body for body in (self.body, *(body for _, body in self._messages)) if not body.is_eof()]
        for body in unfinished:
            body.set_exception(RequestPayloadError(why))
        return bool(unfinished)


def make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> ListenerRequest:
    """Build the request of a head; what may not be served gets a ``fault``. Called once for every request."""
    connection = cast("ProblemProtocol", protocol)
    connection.body = payload
    problem = _find_fault(message, connection)
    if problem is not None or message is ERROR:
        message = _UNREADABLE
    if not connection._messages:  # noqa: SLF001 - the queue of pipelined requests has no public name
        connection.received = 0
    request = ListenerRequest(message, payload, protocol, writer, task, connection._loop)  # noqa: SLF001
    if problem is not None:
        request.fault = problem
    return request


def _find_fault(message: RawRequestMessage, connection: ProblemProtocol) -> Problem | None:
    version = message.version
    if version is not HttpVersion11 and version is not HttpVersion10:
        return faults.BAD_VERSION
    if message.method == "CONNECT":
        return faults.BAD_METHOD
    if message.chunked and (
        version is HttpVersion10 or message.headers.get("Transfer-Encoding", "").lower() != "chunked"
    ):
        return faults.BAD_CODING
    if connection.received > connection.limits.total:
        # Only then can this head exceed the total: adding up every head would cost each request.
        size = sum(len(name) + len(value) for name, value in message.raw_headers)
        if size > connection.limits.total:
            return faults.HEAD_TOO_LARGE
    expectation = message.headers.get("Expect")
    if expectation is not None and version is HttpVersion11 and expectation.lower() != "100-continue":
        return faults.EXPECTATION_FAILED
    return None
