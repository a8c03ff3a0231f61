"""Faults of the object store, and of the way to it."""

import asyncio
import random

from tests.acceptance.harness.waiting import tick
from tests.chaos.site import Site
from tests.chaos.ways import Mode

NAMES = {
    Mode.REFUSING: "the object store is away",
    Mode.SILENT: "the object store is silent",
    Mode.DRIPPING: "the object store is slow",
    Mode.UNAVAILABLE: "the object store answers 503",
    Mode.CUTTING: "answers of the object store are cut off",
}


async def way_fails(site: Site, chance: random.Random) -> None:
    mode = chance.choice(list(NAMES))
    with site.fault(NAMES[mode]):
        async with site.to_store.broken(mode):
            await tick(chance.uniform(1.0, 4.0))


async def crash(site: Site, chance: random.Random) -> None:
    with site.fault("the object store is killed"):
        await asyncio.to_thread(site.store.kill)
        await tick(chance.uniform(0.1, 2.0))
        site.store.start()


FAULTS = {"break the way to the store": way_fails, "kill the store": crash}
