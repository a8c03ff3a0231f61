"""Faults of the key manager that service users get their tokens from, and of the way to it."""

import random

from tests.acceptance.harness.waiting import tick
from tests.chaos.site import Site
from tests.chaos.ways import Mode

NAMES = {
    Mode.REFUSING: "the key manager refuses connections",
    Mode.RESETTING: "the key manager resets connections",
    Mode.SILENT: "the key manager hangs",
    Mode.DRIPPING: "the key manager drips",
}


async def away_and_revoked(site: Site, chance: random.Random) -> None:
    mode = chance.choice(list(NAMES))
    with site.fault(f"{NAMES[mode]}, and all tokens are revoked"):
        async with site.to_key_manager.broken(mode):
            site.key_manager.revoke()
            await tick(chance.uniform(1.0, 4.0))


async def revoke(site: Site, chance: random.Random) -> None:
    with site.fault("all tokens are revoked"):
        site.key_manager.revoke()
        await tick(chance.uniform(0.1, 1.0))


async def broken(site: Site, chance: random.Random) -> None:
    with site.fault("the key manager answers 500, and all tokens are revoked"):
        site.key_manager.refusal = (500, {"error": "server_error"})
        site.key_manager.revoke()
        try:
            await tick(chance.uniform(0.5, 3.0))
        finally:
            site.key_manager.refusal = None


FAULTS = {"key manager away": away_and_revoked, "revoke tokens": revoke, "key manager broken": broken}
