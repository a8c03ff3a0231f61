"""Everything around the sidecar: callers, services and webhooks, on loopback and in the test's own loop."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sidecar.dev.ports import free_port
from tests.acceptance.harness.http import Answer, Client, Tasks
from tests.acceptance.harness.services import Callbacks, Services
from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.webhooks import Message, Webhooks


@dataclass(frozen=True, slots=True)
class Places:
    """Ports of the world, known before it exists: settings name them. Behind ``nobody`` nobody listens."""

    services: int
    other: int
    webhooks: int
    nobody: int

    @classmethod
    def free(cls) -> "Places":
        return cls(free_port(), free_port(), free_port(), free_port())

    @property
    def services_url(self) -> str:
        return f"http://127.0.0.1:{self.services}"

    @property
    def other_url(self) -> str:
        return f"http://127.0.0.1:{self.other}"

    @property
    def nobody_url(self) -> str:
        return f"http://127.0.0.1:{self.nobody}"


class World:
    """Callers, services, webhooks."""

    def __init__(self, places: Places, *, webhook_tls: ssl.SSLContext | None = None) -> None:
        self.tasks = Tasks()
        self.callbacks = Callbacks()
        self.services = Services(places.services, self.callbacks, self.tasks)
        self.other = Services(places.other, self.callbacks, self.tasks)
        self.webhooks = Webhooks(places.webhooks, tls=webhook_tls)
        self.client = Client()
        self.hooks_at: str | None = None

    @property
    def hook(self) -> str:
        """The webhook that callers name."""
        return self.hooks_at or f"{self.webhooks.url}/crm/1.0/results"

    async def submit(
        self, url: str, body: bytes = b"{}", *, hook: str | None = None, app: str = "shop", **headers: str
    ) -> Answer:
        """Send a request as the gateway does; in header names an underscore stands for a dash."""
        sent = {"callback-url": hook or self.hook, KEY_HEADER: GATEWAY_KEY, "x-api-application": app}
        sent |= named(headers)
        return await self.client.send("POST", url, body=body, headers=sent)

    async def ask(self, url: str, *, app: str = "shop") -> Answer:
        """Ask the gateway listener about a job."""
        return await self.client.send("GET", url, headers={KEY_HEADER: GATEWAY_KEY, "x-api-application": app})

    async def message(self, job_id: str, service: str = "") -> Message:
        """Wait for the message of a job about a service, or for its aggregate."""
        return await wait_until(
            lambda: self.webhooks.of(job_id).get(service), f"a message about {service or 'all'} of {job_id}"
        )


def named(headers: Mapping[str, str]) -> dict[str, str]:
    """Turn keywords into header names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def open_world(places: Places, *, webhook_tls: ssl.SSLContext | None = None) -> AsyncIterator[World]:
    """Open a world, and close it whatever happens."""
    world = World(places, webhook_tls=webhook_tls)
    try:
        for server in (world.services, world.other, world.webhooks):
            await server.start()
        yield world
    finally:
        await world.tasks.stop()
        for stop in (world.services.stop, world.other.stop, world.webhooks.stop):
            await stop()
        await world.callbacks.close()
        await world.client.close()
