"""Faults of the callers' webhook, and of the way to it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from aiohttp import web

from tests.acceptance.harness.waiting import tick
from tests.acceptance.harness.webhooks import Message
from tests.chaos.oracle import Answer, takes
from tests.chaos.site import Site
from tests.chaos.ways import Mode

NAMES = {
    Mode.REFUSING: "the webhook refuses connections",
    Mode.RESETTING: "the webhook resets connections",
    Mode.SILENT: "the webhook hangs",
    Mode.DRIPPING: "the webhook drips",
    Mode.CUTTING: "answers of the webhook are cut off",
}
GATEWAY_FAULT = orjson.dumps({"code": "101503", "message": "Error connecting to the back end"})


async def way_fails(site: Site, chance: random.Random) -> None:
    mode = chance.choice(list(NAMES))
    with site.fault(NAMES[mode]):
        async with site.to_webhook.broken(mode):
            await tick(chance.uniform(1.0, 4.0))


async def flap(site: Site, chance: random.Random) -> None:
    with site.fault("the webhook comes and goes"):
        for _ in range(chance.randint(3, 8)):
            async with site.to_webhook.broken(Mode.REFUSING):
                await tick(chance.uniform(0.05, 0.5))
            await tick(chance.uniform(0.05, 0.5))


async def unavailable(site: Site, chance: random.Random) -> None:
    with site.fault("the webhook answers 503 with Retry-After"), mood(site, _unavailable):
        await tick(chance.uniform(1.0, 3.0))


async def behind_a_gateway(site: Site, chance: random.Random) -> None:
    with site.fault("a gateway says that the webhook is away"), mood(site, _gateway_fault):
        await tick(chance.uniform(0.5, 3.0))


async def broken(site: Site, chance: random.Random) -> None:
    with site.fault("the webhook answers 500, which is final"), mood(site, _broken):
        await tick(chance.uniform(0.3, 1.0))


def _unavailable(_: Message) -> web.Response:
    return web.Response(status=503, headers={"retry-after": "1"})


def _gateway_fault(_: Message) -> web.Response:
    return web.Response(status=500, body=GATEWAY_FAULT)


def _broken(_: Message) -> web.Response:
    return web.Response(status=500)


@contextmanager
def mood(site: Site, answer: Answer) -> Iterator[None]:
    """Let the webhook answer otherwise for a while."""
    site.oracle.mood = answer
    try:
        yield
    finally:
        site.oracle.mood = takes


FAULTS = {
    "break the way to the webhook": way_fails,
    "let the webhook flap": flap,
    "webhook answers 503": unavailable,
    "gateway says 101503": behind_a_gateway,
    "webhook answers 500": broken,
}
