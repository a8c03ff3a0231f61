"""Calls whose stored request comes from a store that is silent: they are put off, and no try is used up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiobotocore.session import AioSession

from sidecar.fanout.large import LargeCalls
from sidecar.model.invocation import Release
from sidecar.model.reasons import InvocationReason
from sidecar.offload.bodies import Bodies
from sidecar.offload.store import ObjectStore
from sidecar.outbound.requests import Failure, Reply, send
from sidecar.outbound.sessions import service_session
from tests.integration.offload.builders import make_settings, noise
from tests.unit.builders import make_call, make_invocation, make_stored
from tests.unit.deliver.bench import Ledger
from tests.unit.fanout.bench import Bench

BODY = noise(600_000)
STORED = make_stored(BODY)
HEAD = f'HTTP/1.1 200 OK\r\nETag: "{STORED.etag}"\r\nContent-Length: {len(BODY)}\r\n\r\n'.encode()
TIMEOUT = 2.0


@asynccontextmanager
async def says(words: bytes) -> AsyncIterator[str]:
    """Open a server that says these words to each request, and then nothing; tell its URL."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        while await reader.read(65_536):
            pass
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()


class RealCalls(Bench):
    """A stage that really sends."""

    def __init__(self, send_really: Callable[..., Awaitable[Reply | Failure]], large: LargeCalls) -> None:
        self._really = send_really
        super().__init__()
        self.fanout._large = large

    async def _send(self, **request: Any) -> Reply | Failure:
        return await self._really(**request)


@pytest.fixture
async def called(aws: AioSession) -> AsyncIterator[Callable[[bytes], Awaitable[list[Release]]]]:
    """Call a silent service, with a store that says something; tell what was committed."""
    async with AsyncExitStack() as stack:

        async def call(words: bytes) -> list[Release]:
            url = await stack.enter_async_context(says(words))
            store = ObjectStore(make_settings(url), environ={}, session=aws)
            await store.start()
            stack.push_async_callback(store.stop)
            session = await stack.enter_async_context(service_session(connect_timeout=5))
            bodies = Bodies(store, prefix="", places={})
            large = LargeCalls(bodies, Ledger(), threshold=9, link_name=lambda token: token)
            bench = RealCalls(partial(send, session), large)
            service = await stack.enter_async_context(says(b""))
            invoked = make_call(url=service, timeout=TIMEOUT)
            await bench.handle(make_invocation(call=invoked, body=b"", stored=STORED.dump()))
            return bench.ledger.releases

        yield call


@pytest.mark.parametrize("words", [b"", HEAD, HEAD + BODY[:-1]], ids=["nothing", "no body", "all but a byte"])
async def test_a_store_that_falls_silent_costs_a_call_no_try(
    called: Callable[[bytes], Awaitable[list[Release]]], words: bytes
) -> None:
    (release,) = await called(words)
    assert (release.reason, release.attempted, release.unsure) == (InvocationReason.STORAGE_UNAVAILABLE, False, False)
    assert release.retry_in is not None


async def test_a_service_that_is_silent_after_it_got_all_of_its_request_costs_one(
    called: Callable[[bytes], Awaitable[list[Release]]],
) -> None:
    (release,) = await called(HEAD + BODY)
    assert (release.reason, release.attempted, release.unsure) == (InvocationReason.ACK_TIMEOUT, True, True)
