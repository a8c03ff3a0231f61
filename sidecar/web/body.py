"""Reading a request body whole, within bounds of size and patience."""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion10
from aiohttp.web_protocol import RequestPayloadError

from sidecar.kit.budget import ByteBudget
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem

_NO_ROOM = Problem(503, "overloaded", "Too many bytes are under way; repeat in a second.", {"retry-after": "1"})
_UNREADABLE = Problem(400, "body_unreadable", "The body ended before it was complete, or its framing is broken.")


class BodyReader:
    """Reads the bodies of one listener, and bounds what they hold in memory together.

    Args:
        limit: Most bytes of one body.
        budget: Most bytes of all bodies under way; a body that does not fit is answered 503.
        idle_timeout: Longest pause between two pieces, in seconds.
        total_timeout: Longest time of one body in all, in seconds; ``None`` sets no bound.
    """

    def __init__(self, *, limit: int, budget: int, idle_timeout: float, total_timeout: float | None = None) -> None:
        self._limit = limit
        self._budget = ByteBudget(budget)
        self._idle_timeout = idle_timeout
        self._total_timeout = total_timeout

    async def read(self, request: web.BaseRequest, *, limit: int | None = None) -> bytes:
        """Read one body; its bytes count until :meth:`done` is told.

        Raises:
            ProblemError: as :func:`read_body`, and 503 ``overloaded``.
        """
        declared = request.content_length or 0
        most = self._limit if limit is None else min(self._limit, limit)
        if declared > most:
            raise _too_large(most)
        self._hold(declared)
        try:
            body = await self._read(request, most)
        except BaseException:
            self._budget.give(declared)
            raise
        if not declared:
            self._hold(len(body))
        return body

    def done(self, body: bytes) -> None:
        """Let go of a body that was read."""
        self._budget.give(len(body))

    def _hold(self, size: int) -> None:
        if not self._budget.take(size):
            raise ProblemError(_NO_ROOM)

    async def _read(self, request: web.BaseRequest, limit: int) -> bytes:
        if self._total_timeout is None or request.content.is_eof():
            return await read_body(request, limit=limit, idle_timeout=self._idle_timeout)
        try:
            async with asyncio.timeout(self._total_timeout):
                return await read_body(request, limit=limit, idle_timeout=self._idle_timeout)
        except TimeoutError as error:
            detail = f"The body took longer than {self._total_timeout:g} seconds in all."
            raise ProblemError(Problem(408, "body_timeout", detail)) from error


async def read_body(request: web.BaseRequest, *, limit: int, idle_timeout: float) -> bytes:
    """Read the body: at most ``limit`` bytes, with no pause longer than ``idle_timeout`` seconds.

    Raises:
        ProblemError: 413 ``body_too_large`` (at once when ``Content-Length`` already says so), 408
            ``body_timeout``, 400 ``body_unreadable``. The listener then closes the connection.
    """
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    content = request.content
    if not content.is_eof():
        return await _read_slowly(request, limit=limit, idle_timeout=idle_timeout)
    if content.exception() is not None:
        raise ProblemError(_UNREADABLE)
    # A small body arrived together with its head: no waiting, no timer.
    body = content.read_nowait()
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _read_slowly(request: web.BaseRequest, *, limit: int, idle_timeout: float) -> bytes:
    content = request.content
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    size = 0
    _invite(request)
    try:
        async with asyncio.timeout(idle_timeout) as patience:
            while chunk := await content.readany():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
                patience.reschedule(loop.time() + idle_timeout)
    except TimeoutError as error:
        detail = f"No byte of the body arrived for {idle_timeout:g} seconds."
        raise ProblemError(Problem(408, "body_timeout", detail)) from error
    except (RequestPayloadError, ConnectionError) as error:
        raise ProblemError(_UNREADABLE) from error
    except RuntimeError as error:
        # How aiohttp's stream says that the connection was gone before the first wait.
        if request.transport is not None:
            raise
        raise ProblemError(_UNREADABLE) from error
    return b"".join(parts)


def _invite(request: web.BaseRequest) -> None:
    """Send ``100 Continue`` to a client that waits for it before it sends the body (RFC 9110, 10.1.1)."""
    expects = "Expect" in request.headers and request.version is not HttpVersion10
    if expects and not request.content.total_bytes and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large(limit: int) -> ProblemError:
    return ProblemError(Problem(413, "body_too_large", f"The body may have at most {limit} bytes."))
