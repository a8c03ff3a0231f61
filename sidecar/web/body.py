"""Reading a request body, into memory or on into a store, within bounds of size and patience."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import TypeVar

from aiohttp import web
from aiohttp.http import HttpVersion10
from aiohttp.web_protocol import RequestPayloadError

from sidecar.kit.budget import ByteBudget
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.web.basket import Basket, OpenSink, Sink
from sidecar.web.share import NO_ROOM, Share

_UNREADABLE = Problem(400, "body_unreadable", "The body ended before it was complete, or its framing is broken.")

STREAM = 20 * 1024 * 1024
"""Bytes that one large body holds in memory on its way: two parts of an upload, and what waits to be compressed."""

SMALL = 64 * 1024
"""Bytes of a body that is waited for before its request is refused."""

_MANNERS = 1.0  # seconds that are given to it

T = TypeVar("T")


class BodyReader:
    """Reads the bodies of one listener, and bounds what they hold in memory together.

    Args:
        limit: Most bytes of one body.
        budget: Most bytes of all bodies under way; a body that does not fit is answered 503. Large bodies, which
            stream on, have a budget of the same size for themselves, so that they keep no small one out.
        idle_timeout: Longest pause between two pieces, in seconds.
        total_timeout: Longest time of one body in all, in seconds; ``None`` sets no bound.
        threshold: Most bytes of a body that stays in memory, where larger ones can go elsewhere.
    """

    def __init__(
        self,
        *,
        limit: int,
        budget: int,
        idle_timeout: float,
        total_timeout: float | None = None,
        threshold: int | None = None,
    ) -> None:
        self._limit = limit
        self._budget = ByteBudget(budget)
        self._streams = ByteBudget(budget)
        self._idle_timeout = idle_timeout
        self._total_timeout = total_timeout
        self._threshold = threshold

    async def read(
        self, request: web.BaseRequest, *, limit: int | None = None, beyond: OpenSink[T] | None = None
    ) -> bytes | T:
        """Read one body; bytes count until :meth:`done` is told.

        Args:
            request: The request.
            limit: Most bytes of this body, if that is less than the listener's limit.
            beyond: Where a body above the threshold goes; it is opened before the body is read, where
                its size is known by then.

        Raises:
            ProblemError: as :func:`read_body`, and 503 ``overloaded``.
        """
        size, content = request.content_length, request.content
        most = self._limit if limit is None else min(self._limit, limit)
        threshold = most if self._threshold is None else self._threshold
        if size is None:
            if not content.is_eof():
                return await self._gather(request, most, threshold, beyond)
            size = content.total_bytes  # all of it came together with the head
        if size > most:
            raise _too_large(most)
        if size > threshold and beyond is not None:
            return await self._stream(request, most, beyond)
        if not self._budget.take(size):
            raise ProblemError(NO_ROOM)
        try:
            return await self._read(request, most, Basket(most, None))
        except BaseException:
            self._budget.give(size)
            raise

    def done(self, body: object) -> None:
        """Let go of a body that was read."""
        if isinstance(body, bytes):
            self._budget.give(len(body))

    async def _gather(
        self, request: web.BaseRequest, most: int, threshold: int, beyond: OpenSink[T] | None
    ) -> bytes | T:
        """Read a body of unknown size: its pieces count as they come."""
        memory, stream = Share(self._budget), Share(self._streams)
        move = None if beyond is None else partial(_move, beyond, memory, stream)
        try:
            return await self._read(request, most, Basket(threshold, move, memory.take))
        except BaseException:
            memory.release()
            raise
        finally:
            stream.release()

    async def _stream(self, request: web.BaseRequest, most: int, beyond: OpenSink[T]) -> bytes | T:
        stream = Share(self._streams)
        basket = Basket(0, partial(_move, beyond, Share(self._budget), stream))
        try:
            await basket.open()
            return await self._read(request, most, basket)
        finally:
            stream.release()

    async def _read(self, request: web.BaseRequest, limit: int, basket: Basket[T]) -> bytes | T:
        if self._total_timeout is None or request.content.is_eof():
            return await read_body(request, limit=limit, idle_timeout=self._idle_timeout, basket=basket)
        try:
            async with asyncio.timeout(self._total_timeout):
                return await read_body(request, limit=limit, idle_timeout=self._idle_timeout, basket=basket)
        except TimeoutError as error:
            detail = f"The body took longer than {self._total_timeout:g} seconds in all."
            raise ProblemError(Problem(408, "body_timeout", detail)) from error


async def _move(beyond: OpenSink[T], memory: Share, stream: Share) -> Sink[T]:
    """Open a sink where there is room for one more; what the body holds in memory counts as part of that."""
    stream.take(max(STREAM, memory.size))
    memory.release()
    return await beyond()


async def read_body(
    request: web.BaseRequest, *, limit: int, idle_timeout: float, basket: Basket[T] | None = None
) -> bytes | T:
    """Read the body: at most ``limit`` bytes, with no pause longer than ``idle_timeout`` seconds.

    Raises:
        ProblemError: 413 ``body_too_large`` (at once when ``Content-Length`` already says so), 408
            ``body_timeout``, 400 ``body_unreadable``. The listener then closes the connection.
    """
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    into: Basket[T] = Basket(limit, None) if basket is None else basket
    content = request.content
    if content.is_eof() and into.keeps(content.total_bytes):
        if content.exception() is not None:
            raise ProblemError(_UNREADABLE)
        # A small body arrived together with its head: no waiting, no timer.
        body = content.read_nowait()
        if len(body) > limit:
            raise _too_large(limit)
        return body
    try:
        await _read_slowly(request, limit=limit, idle_timeout=idle_timeout, basket=into)
        return await into.end()
    except BaseException:  # cancellation too: nobody else knows what was stored so far
        await into.abort()
        raise


async def _read_slowly(request: web.BaseRequest, *, limit: int, idle_timeout: float, basket: Basket[T]) -> None:
    content = request.content
    loop = asyncio.get_running_loop()
    size = 0
    _invite(request)
    try:
        async with asyncio.timeout(idle_timeout) as patience:
            while chunk := await content.readany():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                patience.reschedule(None)  # whoever takes the pieces has time-outs of its own
                await basket.take(chunk)
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


def _invite(request: web.BaseRequest) -> None:
    """Send ``100 Continue`` to a client that waits for it before it sends the body (RFC 9110, 10.1.1)."""
    expects = "Expect" in request.headers and request.version is not HttpVersion10
    if expects and not request.content.total_bytes and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def let_small_body_come(request: web.BaseRequest) -> None:
    """Let a small body arrive, and drop it, before its request is refused.

    WSO2's gateways close the client's connection as well when an answer comes before the request was sent, and Apache
    Synapse loses the answer. Large bodies, and clients that ask first (``Expect``), are refused at once.
    """
    content = request.content
    if content.is_eof() or "Expect" in request.headers or (request.content_length or 0) > SMALL:
        return
    size = 0
    with suppress(
        TimeoutError, RequestPayloadError, ConnectionError, RuntimeError
    ):  # the refusal tells more than these
        async with asyncio.timeout(_MANNERS):
            while size <= SMALL and (chunk := await content.readany()):
                size += len(chunk)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(Problem(413, "body_too_large", f"The body may have at most {limit} bytes."))
