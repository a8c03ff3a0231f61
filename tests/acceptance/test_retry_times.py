"""The first five retries by the real clock, against a webhook that is a process of its own."""

from itertools import pairwise
from pathlib import Path

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import ending
from tests.acceptance.harness.retrying import BUCKET, Retrying, retrying, stock_route
from tests.acceptance.harness.webhook_process import next_attempt, webhook_process
from tests.acceptance.harness.world import Places, World

SCHEDULE = (1.0, 2.0, 4.0, 8.0, 16.0)
PATIENCE = 60.0


async def test_the_first_five_retries_come_after_one_two_four_eight_and_sixteen_seconds(
    places: Places, world: World, database: str, make_replica: MakeReplica, tmp_path: Path
) -> None:
    port = free_port()
    with EmbeddedStore(tmp_path / "store", bucket=BUCKET) as store:
        replica = make_replica(stock_route(places), over=retrying(tmp_path, store))
        with ending(replica):
            await replica.start()
            site = Retrying(Flow(world, replica), database, store)
            async with webhook_process(port, refusals=len(SCHEDULE)) as webhook:
                job = await site.accepted(f"http://127.0.0.1:{port}/crm/1.0/results")
                attempts = [await next_attempt(webhook, timeout=PATIENCE) for _ in range(len(SCHEDULE) + 1)]
                row = await site.until_row(job, state="delivered")
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4, 5, 6]
    assert {attempt.message_id for attempt in attempts} == {f"{job}:stock:succeeded"}
    assert attempts[0].kind == "direct"
    assert attempts[-1].kind == "indirect"
    assert row["retry_count"] == len(SCHEDULE)
    # A retry is due so long after the attempt before it had ended, so that none can come sooner after its arrival.
    gaps = [later.at - earlier.at for earlier, later in pairwise(attempts)]
    assert [gap >= due for gap, due in zip(gaps, SCHEDULE, strict=True)] == [True] * len(SCHEDULE), gaps
