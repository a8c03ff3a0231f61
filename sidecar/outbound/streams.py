"""Bodies that stream: a request from a source of known size, a response into a sink."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from sidecar.model.stored import StoredObject
from sidecar.outbound.exchange import Answer


class Source(Protocol):
    """A request body that is read anew for each request."""

    size: int

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield all of it."""


class Sink(Protocol):
    """Where a large response body goes."""

    async def write(self, chunk: bytes, /) -> None:
        """Take the next piece."""

    async def finish(self) -> StoredObject:
        """Make the object."""

    async def abort(self) -> None:
        """Leave nothing behind."""


@dataclass(frozen=True, slots=True)
class Spill:
    """Where a response goes that exceeds ``threshold`` bytes, ``limit`` bytes at most.

    ``begin`` is told the status and the raw headers; it returns ``None`` for what is not worth keeping.
    """

    threshold: int
    limit: int
    begin: Callable[[int, Sequence[tuple[bytes, bytes]]], Awaitable[Sink | None]]


class SourcePayload(Payload):
    """A source as aiohttp takes it. Were a byte missing, the other side would see a request that broke off."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._source = source

    @property
    def size(self) -> int:
        """Bytes, for Content-Length."""
        return self._source.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """Refuse: a stream is not text."""
        raise TypeError("a stream cannot be decoded")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        async with aclosing(self._source.pieces()) as pieces:
            async for piece in pieces:
                await writer.write(piece)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """Write all of it: the length is the source's own."""
        await self.write(writer)


async def spill_rest(
    response: aiohttp.ClientResponse | Answer, spill: Spill, parts: list[bytes]
) -> StoredObject | None:
    """Pass what was read of a response, and the rest of it, into a sink; ``None`` when it is too large or unwanted.

    Args:
        response: The response, read in part.
        spill: Where it goes.
        parts: What was read; it is emptied.
    """
    sink = await spill.begin(response.status, response.raw_headers)
    if sink is None:
        return None
    try:
        size = 0
        for part in parts:
            size += len(part)
            await sink.write(part)
        parts.clear()
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > spill.limit:
                await sink.abort()
                return None
            await sink.write(chunk)
        stored = await sink.finish()
    except BaseException:  # cancellation too: nobody else knows of the upload
        await sink.abort()
        raise
    return stored
