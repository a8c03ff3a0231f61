"""Faults under an even load, one after the other: how long until nothing waits for what happened any more.

Two replicas stand behind one balancer, which the load generator plays: requests and callbacks go to each in turn, and
to the other where one cannot be reached. Services repeat callbacks that are refused.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks.kit.database import make_database
from benchmarks.kit.report import Chart, Report, Tell
from benchmarks.kit.rows import Row
from benchmarks.kit.site import free_ports, run_peer, sidecar_settings, write_settings
from benchmarks.kit.store_settings import store_section
from benchmarks.recovery.faults import FAULTS, Fault, Site
from benchmarks.recovery.replica import Replica
from sidecar.dev.demo_config import token_secrets
from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres

RATE = 40.0
"""Jobs a second, where results are small; a quarter of it where they are large."""

LARGE = 64 * 1024
LEAD = 3.0
"""Seconds of load before the fault."""

CALM = 3.0
"""Seconds in which nothing was late, after which a fault counts as overcome."""

LATE = 2.0
"""Seconds after which a job counts as held up."""

PATIENCE = 120.0
POLL = 0.5

Job = tuple[float, float | None, float | None, bool]
"""When a job began, was answered 202, and was done; and whether nothing more is waited for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault did. Times in seconds.

    Args:
        recovery: From the fault's end (a kill: from the kill) until the last job that it held up was done.
        slowest: What the slowest job took, the fault itself included.
        held_up: Jobs that took longer than two seconds.
        refused: Requests that had no answer, or another one than 202.
        lost: Jobs that were answered 202 and never done.
        jobs: All that were begun.
    """

    recovery: float
    slowest: float
    held_up: int
    refused: int
    lost: int
    jobs: int


async def measure_recovery(server: EmbeddedPostgres, directory: Path, tell: Tell) -> Report:
    """Let each fault happen, and measure."""
    outcomes: dict[Fault, Outcome] = {}
    tell("recovery: starting two replicas", 0.0)
    async with _open(server, directory) as site:
        for number, fault in enumerate(FAULTS):
            tell(f"recovery: {fault.name}", number / len(FAULTS))
            outcomes[fault] = await _overcome(site, fault)
            if fault.mend:
                await fault.mend(site)
    return report(outcomes)


async def _overcome(site: Site, fault: Fault) -> Outcome:
    """Offer load, strike, and wait until nothing is late any more."""
    # What is sent again may come as a link.
    load = {
        "size": fault.size,
        "link": True,
        "webhook_takes": fault.webhook_takes,
        "rate": RATE / (4 if fault.size > LARGE else 1),
    }
    gateways = [replica.ports.gateway for replica in site.replicas]
    callbacks = [replica.ports.callbacks for replica in site.replicas]
    await site.peer.order("start", gateways=gateways, callbacks=callbacks, patient=True, **load)
    await asyncio.sleep(LEAD)
    counts_from = await fault.strike(site)
    for _ in range(int(PATIENCE / POLL)):  # what is not done then is told as lost
        if calm(await _jobs(site), counts_from, now=monotonic()):
            break
        await asyncio.sleep(POLL)
    await site.peer.order("stop")
    return conclude(await _jobs(site), counts_from)


async def _jobs(site: Site) -> list[Job]:
    return [tuple(job) for job in (await site.peer.order("jobs"))["jobs"]]


def calm(jobs: Sequence[Job], counts_from: float, *, now: float) -> bool:
    """Tell whether nothing waits for long, and nothing that did was done in the last seconds."""
    waiting = any(not ended and now - began > LATE for began, _, _, ended in jobs)
    return not waiting and now - counts_from - conclude(jobs, counts_from).recovery >= CALM


def conclude(jobs: Sequence[Job], counts_from: float) -> Outcome:
    """Turn the jobs of one fault into what it did; ``counts_from`` is the instant from which recovery counts."""
    times = [(done - began, done) for began, _, done, _ in jobs if done is not None]
    late = [done for took, done in times if took > LATE]
    return Outcome(
        recovery=max(0.0, max(late, default=0.0) - counts_from),
        slowest=max((took for took, _ in times), default=0.0),
        held_up=len(late),
        refused=sum(accepted is None for _, accepted, _, _ in jobs),
        lost=sum(accepted is not None and done is None for _, accepted, done, _ in jobs),
        jobs=len(jobs),
    )


def report(outcomes: Mapping[Fault, Outcome]) -> Report:
    """Build the section."""
    columns = ("recovery", "slowest job", "held up", "refused", "lost")
    chart = Chart(
        "Seconds from the end of a fault until nothing waits any more",
        tuple(fault.name for fault in outcomes),
        {"recovery": tuple(outcome.recovery for outcome in outcomes.values())},
        "s",
    )
    return Report(
        f"faults under {RATE:.0f} jobs a second (large results: a quarter of that), two replicas",
        columns,
        tuple(_row(fault, outcome) for fault, outcome in outcomes.items()),
        {fault.name: outcome for fault, outcome in outcomes.items()},
        (chart,),
    )


def _row(fault: Fault, outcome: Outcome) -> Row:
    values = {
        "recovery": f"{outcome.recovery:.1f} s",
        "slowest job": f"{outcome.slowest:.1f} s",
        "held up": f"{outcome.held_up} of {outcome.jobs}",
        "refused": str(outcome.refused),
        "lost": str(outcome.lost),
    }
    bound, missed = "", ["lost"] if outcome.lost else []
    if fault.most is not None:
        bound = f"<= {fault.most:.0f} s, "
        missed += ["recovery"] if outcome.recovery > fault.most else []
        missed += [] if outcome.held_up else ["held up"]  # then nothing was under way, and nothing was measured
    return Row(fault.name, values, f"{bound}none lost", tuple(missed))


@asynccontextmanager
async def _open(server: EmbeddedPostgres, directory: Path) -> AsyncIterator[Site]:
    dsn = await make_database(server, "recovery")
    async with AsyncExitStack() as stack:
        store = stack.enter_context(EmbeddedStore(directory / "recovery-s3", bucket="results"))
        peer, service = await stack.enter_async_context(run_peer(directory))
        tokens, section = token_secrets(directory / "tokens"), store_section(store, directory)
        replicas: list[Replica] = []
        for number in range(2):
            ports, file = free_ports(), directory / f"recovery-{number}.yaml"
            settings = sidecar_settings(dsn, ports, service, tokens)
            write_settings(file, settings | {"offload": section | {"threshold": LARGE}})
            replicas.append(await stack.enter_async_context(Replica(file, ports)))
        yield Site(server, store, (replicas[0], replicas[1]), peer)
