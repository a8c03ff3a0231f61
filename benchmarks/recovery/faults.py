"""The faults. Each returns the instant from which recovery counts, in seconds of the clock that all processes share."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from benchmarks.kit.children import PeerProcess
from benchmarks.recovery.replica import Replica
from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres

DEAD_AFTER = 15.0
"""The default of ``worker.dead_after``, in seconds."""

FREEZE = DEAD_AFTER + 3.0
AWAY = 5.0
"""Seconds that the webhook, the service or the object store are away."""

NOTICE = 2.0
"""Seconds that recovery after a kill may take beyond ``worker.dead_after``."""


UNDER_WAY = 0.5
"""Seconds that the webhook takes where a replica fails, so that it always has messages under way."""


@dataclass(frozen=True, slots=True)
class Site:
    """What can fail."""

    postgres: EmbeddedPostgres
    store: EmbeddedStore
    replicas: tuple[Replica, Replica]
    peer: PeerProcess


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what is done, what is mended afterwards, and under which load.

    ``most`` is the target, in seconds. ``size`` is that of each result, in bytes; ``webhook_takes`` are the seconds
    until the webhook answers.
    """

    name: str
    strike: Callable[[Site], Awaitable[float]]
    mend: Callable[[Site], Awaitable[None]] | None = None
    size: int = 1024
    webhook_takes: float = 0.0
    most: float | None = None


async def kill(site: Site) -> float:
    """Kill one of two replicas; it does not come back."""
    at = monotonic()
    await site.replicas[1].kill()
    return at


async def start(site: Site) -> None:
    """Start it again."""
    await site.replicas[1].start()


async def roll(site: Site) -> float:
    """Stop one of two replicas in order, and start it again."""
    at = monotonic()
    await site.replicas[1].stop()
    await site.replicas[1].start()
    return at


async def freeze(site: Site) -> float:
    """Let one of two replicas stand still for longer than it takes to be buried."""
    site.replicas[1].signal(signal.SIGSTOP)
    await asyncio.sleep(FREEZE)
    site.replicas[1].signal(signal.SIGCONT)
    return monotonic()


async def restart_postgres(site: Site) -> float:
    """Restart Postgres in order."""
    await asyncio.to_thread(site.postgres.stop)
    site.postgres.start()
    return monotonic()


async def kill_postgres(site: Site) -> float:
    """Kill Postgres, and start it again."""
    await asyncio.to_thread(site.postgres.kill)
    site.postgres.start()
    return monotonic()


async def lose_store(site: Site) -> float:
    """Let the object store be away for a while."""
    await asyncio.to_thread(site.store.kill)
    await asyncio.sleep(AWAY)
    site.store.start()
    return monotonic()


def away(what: str) -> Callable[[Site], Awaitable[float]]:
    """Let the webhook or the service refuse connections for a while."""

    async def strike(site: Site) -> float:
        await site.peer.order("away", what=what, gone=True)
        await asyncio.sleep(AWAY)
        await site.peer.order("away", what=what, gone=False)
        return monotonic()

    return strike


LARGE = 512 * 1024
FAULTS = (
    Fault("a replica of two is killed (SIGKILL)", kill, start, webhook_takes=UNDER_WAY, most=DEAD_AFTER + NOTICE),
    Fault("a replica of two is restarted (SIGTERM)", roll, webhook_takes=UNDER_WAY),
    Fault(f"a replica of two stands still for {FREEZE:.0f} s", freeze, webhook_takes=UNDER_WAY),
    Fault("Postgres is restarted", restart_postgres),
    Fault("Postgres is killed and started", kill_postgres),
    Fault(f"the webhook refuses for {AWAY:.0f} s", away("webhook")),
    Fault(f"the service refuses for {AWAY:.0f} s", away("service")),
    Fault(f"the object store is away for {AWAY:.0f} s, results of 512 KiB", lose_store, size=LARGE),
)
