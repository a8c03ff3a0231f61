"""An answer that is written in one piece, where many of them are written."""

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11, StreamWriter
from aiohttp.http_writer import _serialize_headers

from sidecar.web.protocol import ListenerRequest


class WholeAnswer(web.Response):
    """A response whose status allows a body, and has one.

    aiohttp's own way to the wire has ten steps, for bodies that stream, are compressed or left out; this one has two.
    """

    _head: bytes | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Render the head; it is written together with the body."""
        plain = request.version is HttpVersion11 and request.method != hdrs.METH_HEAD
        if not plain or self.prepared or not (isinstance(request, ListenerRequest) and isinstance(self._body, bytes)):
            return await super().prepare(request)
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive and not request.ends_connection
        headers = self._headers
        headers[hdrs.CONTENT_LENGTH] = str(len(self._body))
        headers[hdrs.DATE] = rfc822_formatted_time()
        if not self._keep_alive:
            headers[hdrs.CONNECTION] = "close"
        self._payload_writer = request.writer
        self._head = _serialize_headers(f"HTTP/1.1 {self._status} {self._reason}", headers)
        return self._payload_writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write everything.

        Raises:
            ConnectionError: Nobody is there any more.
        """
        writer = self._payload_writer
        if self._head is None or not isinstance(writer, StreamWriter) or not isinstance(self._body, bytes):
            await super().write_eof(data)
            return
        head, self._head = self._head, None
        # Before the write, which fails where the client has left: aiohttp asks once more, and must find it done.
        self._eof_sent = True
        self._payload_writer = None
        writer._write(head + self._body)  # noqa: SLF001 - the step of it that is needed
        await writer.drain()
