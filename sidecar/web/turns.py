"""The requests of one connection, answered one after the other in the task that the connection has anyway.

aiohttp makes a task for each request, so that context variables of one do not reach the next. No handler here leaves
any behind, and on Python 3.11 a task and its two rounds of the event loop cost more than to parse the request.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _PAYLOAD_ACCESS_ERROR, ERROR, _ErrInfo

from sidecar.web.patience import Patient

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class InTurn(Patient):
    """aiohttp's connection, with a round of its own. What it does to a request and when it ends are aiohttp's."""

    __slots__ = ()

    async def start(self) -> None:
        """Answer requests until the connection ends."""
        while not self._force_close:
            if self._messages:
                await asyncio.sleep(0)  # a client that sends many at once lets the others have their turn
                if self._force_close:
                    break
            else:
                try:
                    self._waiter = self._loop.create_future()
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            if not await self._turn(message, payload):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()
                self._part(self.transport)

    async def _turn(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> bool:
        """Answer one request; true when another one may follow."""
        request, handler = self._request(message, payload)
        try:
            try:
                response, reset = await self._handle_request(request, None, handler)
            except ConnectionError:
                return False  # the client left before it had its answer
            if reset:
                return False
            self._keepalive = bool(response.keep_alive)
            if not payload.is_eof():
                await self._read_rest(payload)
            payload.set_exception(_PAYLOAD_ACCESS_ERROR)
        except Exception as error:  # noqa: BLE001 - nothing but this connection may end by it
            self.log_exception("a request failed outside of its handler", exc_info=error)
            self.force_close()
        except BaseException:
            self.force_close()
            raise
        finally:
            request._task = None  # type: ignore[assignment]  # noqa: SLF001 - no cycle through the task
        return self._lives_on()

    def _request(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> tuple[web.BaseRequest, Handler]:
        """Build a request, and say who answers it."""
        manager, make, handler, task = self._manager, self._request_factory, self._request_handler, self._task_handler
        if manager is None or make is None or handler is None or task is None:
            raise asyncio.CancelledError  # the connection was lost, and nobody is to be answered any more
        manager.requests_count += 1
        if isinstance(message, _ErrInfo):
            handler, message = self._make_error_handler(message), ERROR
        return make(message, payload, self, StreamWriter(self, self._loop), task), handler

    async def _read_rest(self, payload: StreamReader) -> None:
        """Read and drop what is left of a body for a while, so that the client sees its answer."""
        if self._lingering_time and not self._force_close:
            try:
                async with asyncio.timeout(self._lingering_time):
                    while not payload.is_eof():
                        await payload.readany()
            except TimeoutError:
                pass
        if not payload.is_eof() and not self._force_close:
            self.close()

    def _lives_on(self) -> bool:
        if not self._keepalive or self._close or self._force_close:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        return True
