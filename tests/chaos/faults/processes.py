"""Faults of the replicas themselves."""

import random
import signal

from tests.acceptance.harness.audit import query
from tests.acceptance.harness.waiting import ask_until, tick
from tests.chaos.site import Site

HOUR = 3600
FREEZE = 3.5  # seconds: longer than the ``worker.dead_after`` of the tests' settings
DEAD = "SELECT worker_id FROM worker WHERE pid = $1 AND dead_at IS NOT NULL"


async def kill(site: Site, chance: random.Random) -> None:
    replica = chance.choice(site.replicas)
    with site.fault(f"{replica.name} is killed"):
        replica.kill()
        await tick(chance.uniform(0.1, 3.0))
        await replica.start()


async def kill_all(site: Site, chance: random.Random) -> None:
    with site.fault("all replicas are killed"):
        for replica in site.replicas:
            replica.kill()
        await tick(chance.uniform(0.1, 2.0))
        for replica in site.replicas:
            await replica.start()


async def roll(site: Site, chance: random.Random) -> None:
    with site.fault("the replicas are restarted in turn"):
        for replica in chance.sample(site.replicas, len(site.replicas)):
            assert await replica.stop() == 0
            await replica.start()


async def freeze(site: Site, chance: random.Random) -> None:
    replica = chance.choice(site.replicas)
    with site.fault(f"{replica.name} is frozen for longer than it takes to be buried"):
        replica.signal(signal.SIGSTOP)
        try:
            await tick(FREEZE + chance.uniform(0.0, 1.0))
        finally:
            replica.signal(signal.SIGCONT)


async def step_clock(site: Site, chance: random.Random) -> None:
    number = chance.randrange(len(site.replicas))
    clock, step = site.clocks[number], chance.choice([-HOUR, HOUR])
    if not clock.possible:
        site.story.tell("a clock cannot be stepped here: libfaketime is built for Linux on x86_64")
        return
    with site.fault(f"the clock of {site.replicas[number].name} is stepped by {step} s"):
        clock.step(step)
        try:
            await tick(chance.uniform(2.0, 5.0))
        finally:
            clock.step(0)
            await tick(1.2)  # it is believed within a second


async def until_buried(site: Site, pid: int) -> None:
    """Wait until the others have seen that a process is gone."""
    await ask_until(lambda: query(site.dsn, DEAD, pid), f"the worker {pid} is buried")


FAULTS = {"kill": kill, "kill all": kill_all, "roll": roll, "freeze": freeze, "step the clock": step_clock}
