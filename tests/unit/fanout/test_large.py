"""A stored request body: whose fault it is when a call ends before all of it went out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from sidecar.fanout.large import SILENT, RequestBody
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadCorrupt, OffloadUnavailable
from tests.unit.builders import make_stored


class Bucket:
    """Gives the pieces it has, and then an error or, with neither end nor error, nothing at all."""

    def __init__(self, *pieces: bytes, error: Exception | None = None, ends: bool = True) -> None:
        self._pieces, self._error, self._ends = pieces, error, ends
        self.silent = asyncio.Event()
        self.now = 50.0

    @property
    def store(self) -> "Bucket":
        return self

    async def read(self, _: StoredObject) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error
        if not self._ends:
            self.silent.set()
            await asyncio.Event().wait()


def body_in(bucket: Bucket) -> RequestBody:
    return RequestBody(cast("Bodies", bucket), make_stored(), clock=lambda: bucket.now)


async def taken(body: RequestBody) -> list[bytes]:
    async with aclosing(body.pieces()) as pieces:
        return [piece async for piece in pieces]


async def broken_off(bucket: Bucket, *, after: float) -> RequestBody:
    """Break a call off that has waited so many seconds for the store."""
    body = body_in(bucket)
    reading = asyncio.create_task(taken(body))
    await bucket.silent.wait()
    bucket.now += after
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return body


@pytest.mark.parametrize("pieces", [(), (b"a",), (b"a", b"b")])
async def test_a_store_that_was_silent_when_the_call_ended_is_told(pieces: tuple[bytes, ...]) -> None:
    body = await broken_off(Bucket(*pieces, ends=False), after=SILENT)
    assert isinstance(body.error, OffloadUnavailable)


async def test_a_call_that_ends_between_two_pieces_is_no_fault_of_the_store() -> None:
    assert (await broken_off(Bucket(b"a", ends=False), after=SILENT / 2)).error is None


@pytest.mark.parametrize("pieces", [(b"a",), (b"a", b"b")])
async def test_a_service_that_takes_no_more_is_no_fault_of_the_store(pieces: tuple[bytes, ...]) -> None:
    bucket = Bucket(*pieces)
    body = body_in(bucket)
    async with aclosing(body.pieces()) as reading:
        assert await anext(reading) == b"a"
        bucket.now += 60
        assert body.error is None


async def test_a_body_that_was_not_asked_for_or_went_out_whole_has_no_error() -> None:
    bucket = Bucket(b"a", b"b")
    body = body_in(bucket)
    bucket.now += 60
    assert body.error is None
    assert await taken(body) == [b"a", b"b"]
    bucket.now += 60
    assert body.error is None


async def test_what_the_store_says_itself_is_told_as_it_is() -> None:
    bucket = Bucket(b"a", error=OffloadCorrupt("damaged"))
    body = body_in(bucket)
    with pytest.raises(OffloadCorrupt):
        await taken(body)
    bucket.now += 60
    assert isinstance(body.error, OffloadCorrupt)
