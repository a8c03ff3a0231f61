"""A process with an object store, and what is around it."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import asyncpg
from aiohttp import ClientSession, web

from sidecar.dev.object_store import EmbeddedStore
from sidecar.model.stored import StoredObject
from sidecar.offload.store import ObjectStore
from tests.acceptance.harness.http import Answer, Server
from tests.acceptance.harness.replica import Replica
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import World
from tests.integration.offload.builders import (
    keys_of,
)


class Backend:
    """A service that keeps digests instead of bodies, and answers as it is told."""

    def __init__(self, port: int) -> None:
        self.bodies: list[tuple[str | None, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.result = b""
        self.server = Server(self._serve, port)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.bodies.append((request.headers.get("content-length"), body))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.result:
            return web.Response(body=self.result, content_type="text/csv")
        return web.Response(status=202)


@dataclass
class Bench:
    """A process with an object store, and what is around it."""

    world: World
    replica: Replica
    server: EmbeddedStore
    store: ObjectStore
    backend: Backend
    dsn: str

    async def submit(self, path: str, body: bytes = b"{}", **headers: str) -> Answer:
        sent = {"callback-url": self.world.hook}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url, data = self.replica.ports.gateway_url + path, BytesIO(body)
        async with ClientSession() as session, session.post(url, data=data, headers=sent) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def called(self, path: str = "/one") -> tuple[str, str]:
        """Send a request; the job's id and its callback-url."""
        seen = len(self.backend.headers)
        job_id = (await self.submit(path)).json["job_id"]
        await wait_until(lambda: len(self.backend.headers) > seen, "the service is called")
        return job_id, self.backend.headers[-1]["callback-url"]

    async def call_back(self, url: str, body: Any, **headers: str) -> int:
        async with ClientSession() as session:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            data = BytesIO(body) if isinstance(body, bytes) else body
            async with session.post(url, data=data, headers=sent) as answer:
                await answer.read()
                return answer.status

    async def stored(self, job_id: str, service: str = "billing") -> StoredObject:
        """Wait for the object that the ledger names."""

        async def look() -> Any:
            query = "SELECT object FROM payload WHERE job_id = $1 AND service = $2"
            return await self.ask(query, job_id, service)

        return StoredObject.load(await ask_until(look, "the ledger names an object"))

    async def ask(self, query: str, *values: str) -> Any:
        """Ask the database for one value."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()

    async def keys(self, job_id: str) -> list[str]:
        return [key for key in await keys_of(self.store) if job_id in key]
