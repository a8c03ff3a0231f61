"""Whatever fails, in whatever order: nothing that was answered 202 is lost, ends twice, is mangled, or leaks."""

import asyncio
import logging
import os
import random
from collections.abc import Iterator, Mapping, Sequence

import pytest

from sidecar.settings.load import load_settings
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.load import Load, offer_load, serve_load
from tests.acceptance.harness.replica import Replica, run_command
from tests.acceptance.harness.waiting import ask_until
from tests.chaos.faults import FAMILIES, Fault
from tests.chaos.leaks import Held, held_by, leaks
from tests.chaos.oracle import UNDELIVERED, unfinished
from tests.chaos.site import PER_ENDPOINT, Site
from tests.chaos.uploads import check_uploads

LOG = logging.getLogger("chaos")
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
"""1: a short run, two faults of each family. More: each single fault as often as there are rounds beyond the first."""
PATIENCE = 120.0  # seconds, once everything is mended
BETWEEN = (5, 40)  # jobs that are accepted between two faults
RUNNING = ("sidecar_invocations_running", "sidecar_deliveries_running")


def seeds() -> list[int]:
    """Read CHAOS_SEEDS: ``7``, or ``1-10``."""
    first, _, last = os.environ.get("CHAOS_SEEDS", "1").partition("-")
    return list(range(int(first), int(last or first) + 1))


def plan(chance: random.Random) -> Iterator[Sequence[tuple[str, Fault]]]:
    """Choose faults, one after the other, some of them two at once of different families."""
    if ROUNDS > 1:  # each fault
        every = [(family, fault) for family, faults in FAMILIES.items() for fault in faults.items()] * (ROUNDS - 1)
    else:
        every = [(family, chance.choice(list(faults.items()))) for family, faults in FAMILIES.items()] * 2
    chance.shuffle(every)
    while every:
        family, fault = every.pop()
        other = next((entry for entry in every if entry[0] != family), None)
        if other is not None and chance.random() < 0.4:
            every.remove(other)
            yield fault, other[1]
        else:
            yield (fault,)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", seeds())
async def test_nothing_is_lost_doubled_mangled_or_leaked(seed: int, site: Site) -> None:
    chance = random.Random(seed)
    serve_load(site.world)
    for replica in site.replicas:
        await replica.start()
    faults = 0
    async with offer_load(site.world, site.gateways, seed=seed, huge=True) as load:
        await load.until_accepted(100)
        fresh = {replica.name: held_by(replica) for replica in site.replicas}
        for together in plan(chance):
            await load.until_accepted(chance.randint(*BETWEEN))
            await asyncio.gather(*(fault(site, chance) for _, fault in together))
            faults += len(together)
        site.story.tell("everything is mended")
        await load.until_accepted(50)
    site.story.tell(f"the load is over: {len(load.accepted)} jobs accepted, answers {dict(load.answers)}")
    await until_settled(site)
    await redrive_what_failed(site)
    verdict = await site.oracle.judge(site.dsn, load)
    site.story.tell(f"{verdict}")
    LOG.info("seed %d: %d faults, %s", seed, faults, verdict)
    # Each fault may double what was on its way: the messages under way at each replica.
    assert verdict.doubled <= faults * PER_ENDPOINT * len(site.replicas)
    assert verdict.linked > 0, "no result was large: the load did not test what it should"
    assert load.huge > 0, "nothing was stored in parts"
    await check_idle(site, load)
    settings = load_settings(site.replicas[0].config, environ={})
    left = await check_uploads(settings, endpoint_url=site.store.endpoint_url)
    LOG.info("seed %d: %d uploads were abandoned, and removed; jobs with an upload: %d", seed, left, load.huge)
    assert {name: found for name, found in _leaks(site, fresh).items() if found} == {}


def _leaks(site: Site, fresh: Mapping[str, Held]) -> dict[str, list[str]]:
    return {replica.name: leaks(fresh[replica.name], held_by(replica)) for replica in site.replicas}


async def until_settled(site: Site) -> None:
    """Wait until the ledger has nothing left to do."""
    rows: list[dict[str, object]] = []

    async def settled() -> bool:
        rows[:] = await unfinished(site.dsn)
        return not rows

    try:
        await ask_until(settled, "a ledger with nothing unfinished", timeout=PATIENCE)
    except AssertionError as error:
        error.add_note(f"{len(rows)} unfinished rows, such as:")
        for row in rows[:5]:
            error.add_note(f"  {row}")
        raise
    site.story.tell("the ledger has nothing unfinished")


async def redrive_what_failed(site: Site) -> None:
    """Send again, as an operator would, what a webhook refused for good; nothing else may have failed."""
    failed = await query(site.dsn, UNDELIVERED)
    assert [row for row in failed if row["last_status"] != 500] == []
    if not failed:
        return
    config = str(site.replicas[0].config)
    code, printed = await run_command("retries", "redrive", "--state", "failed", "--yes", "--config", config)
    assert code == 0, printed
    site.story.tell(f"{len(failed)} messages redriven")
    await until_settled(site)


async def check_idle(site: Site, load: Load) -> None:
    """Wait until nothing runs any more in any replica, which is a moment after the ledger has it."""
    for replica in site.replicas:

        async def idle(replica: Replica = replica) -> bool:
            answer = await load.world.client.send("GET", f"{replica.ports.admin_url}/metrics")
            series = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
            return {name: float(series[name]) for name in RUNNING} == dict.fromkeys(RUNNING, 0.0)

        await ask_until(idle, f"nothing runs in {replica.name}")
