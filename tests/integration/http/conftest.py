"""Here everything runs on both event loops: uvloop serves, asyncio's own is what Windows and a debugger have."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp
import pytest
import uvloop

from sidecar.outbound.sessions import service_session
from tests.integration.http.echoing import Connect, connecting, starting
from tests.integration.http.scripted import Server, serving_scripts
from tests.integration.http.wire import Listeners, Start


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops that each test of this folder runs on."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with starting() as run:
        yield run


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with connecting() as run:
        yield run


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    made = Listeners()
    yield made
    await made.stop()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving_scripts() as start:
        yield start


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with service_session(connect_timeout=60) as opened:
        yield opened
