"""Load: callers who note every 202, and repeat what was not accepted with the same idempotency key."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from aiohttp import ClientError

from sidecar.offload.upload import PART
from tests.acceptance.harness.http import Answer, Client
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import tick, wait_until
from tests.acceptance.harness.world import World

EACH = "/load/{number}/each"
ALL = "/load/{number}/all"
PAUSE = 0.05  # seconds between a caller's requests, so that the machine is busy and not drowned
ACCEPTING = 150.0  # seconds; faults are about, and the machine may be slow
REPEAT = 0.2  # seconds before a request is repeated
LARGE_ONE_IN = 24
HUGE = b"huge of "
"""Begins a request, before the name of the service whose result is to be stored in parts."""
HUGE_SIZE = PART + PART // 8  # bytes
HUGE_PAUSE = 1.0  # seconds between two such requests


def load_routes(services_url: str) -> list[dict[str, Any]]:
    """One route a way of gathering, each with a service that calls back and one that answers."""
    services = [service("billing", services_url), service("stock", services_url, completion="response")]
    return [route(EACH, *services), route(ALL, *services, gather="all")]


def result_of(name: str, request: bytes) -> bytes:
    """What a service makes of a request: always the same bytes; now and then many, and never text."""
    digest = sha256(name.encode() + request).digest()
    if request.startswith(HUGE + name.encode()):
        return random.Random(digest).randbytes(HUGE_SIZE)  # no compression makes it smaller
    return digest * (3000 if digest[0] % LARGE_ONE_IN == 0 else 1 + digest[1])


def serve_load(world: World) -> None:
    """Let both services behave well."""

    def result(call: Call) -> bytes:
        return result_of(call.service, call.body)

    world.services.behaviours |= {
        "billing": world.services.calls_back(result),
        "stock": world.services.responds(result),
    }


@dataclass(frozen=True, slots=True)
class Offer:
    """One request that somebody wants done."""

    key: str
    path: str
    body: bytes

    @property
    def aggregated(self) -> bool:
        return self.path.endswith("/all")


@dataclass
class Load:
    """What callers were told."""

    world: World
    gateways: Sequence[str]
    accepted: dict[str, Offer] = field(default_factory=dict)  # by job id
    answers: Counter[int] = field(default_factory=Counter)  # by status; 0 is no answer
    replayed: int = 0
    abandoned: int = 0  # never accepted, as far as the caller knows
    huge: int = 0  # jobs with a result that is stored in parts
    over: bool = False

    async def until_accepted(self, count: int) -> None:
        """Wait until that many more jobs were accepted."""
        goal = len(self.accepted) + count
        await wait_until(
            lambda: len(self.accepted) >= goal, f"{goal} accepted jobs; so far {self.answers}", timeout=ACCEPTING
        )

    async def caller(self, name: str, client: Client, chance: random.Random) -> None:
        """Offer one request after the other until the load is over."""
        number = 0
        while not self.over:
            number += 1
            path = (EACH if chance.random() < 0.6 else ALL).format(number=number)
            body = chance.randbytes(chance.choice([1, 200, 5000, 90_000]) if number % 8 == 0 else 120)
            await self._offer(Offer(f"{name}-{number}", path, body), client, chance)
            await tick(PAUSE)

    async def caller_of_huge(self, name: str, client: Client, chance: random.Random) -> None:
        """Ask one service after the other for a result that is stored in parts, until the load is over."""
        for number in count():
            if self.over:
                return
            body = HUGE + (b"stock" if number % 2 else b"billing")
            await self._offer(Offer(f"{name}-{number}", EACH.format(number=number), body), client, chance)
            self.huge += 1
            await tick(HUGE_PAUSE)

    async def _offer(self, offer: Offer, client: Client, chance: random.Random) -> None:
        while True:
            answer = await self._try(offer, client, chance.choice(self.gateways))
            self.answers[answer.status if answer else 0] += 1
            if answer is not None and answer.status == 202:
                self.accepted[answer.headers["x-job-id"]] = offer
                self.replayed += "idempotency-replayed" in answer.headers
                return
            assert answer is None or answer.status in {409, 503}, answer
            if self.over:
                self.abandoned += 1
                return
            await tick(REPEAT)

    async def _try(self, offer: Offer, client: Client, gateway: str) -> Answer | None:
        headers = {"callback-url": self.world.hook, "idempotency-key": offer.key, "x-correlation-id": offer.key}
        try:
            return await client.send("POST", gateway + offer.path, body=offer.body, headers=headers)
        except (ClientError, TimeoutError, OSError):
            return None


@asynccontextmanager
async def offer_load(
    world: World, gateways: Sequence[str], *, clients: int = 8, seed: int = 1, huge: bool = False
) -> AsyncIterator[Load]:
    """Offer load until the block ends; a caller that breaks fails the test.

    Args:
        world: Services and webhooks.
        gateways: Where requests go, each to any of them.
        clients: How many callers there are.
        seed: Makes the same requests in the same order.
        huge: Whether one more caller asks for results that are stored in parts.
    """
    load = Load(world, gateways)
    client = Client(timeout=3.0)
    callers = [
        asyncio.create_task(load.caller(f"caller-{seed}-{number}", client, random.Random(f"{seed}-{number}")))
        for number in range(clients)
    ]
    if huge:
        asking = load.caller_of_huge(f"huge-{seed}", client, random.Random(f"{seed}-huge"))
        callers.append(asyncio.create_task(asking))
    try:
        yield load
        load.over = True
        await asyncio.gather(*callers)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await client.close()
