"""Callers' credentials: they survive a crash with their calls, and nobody can read them in the database."""

import re
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.site import DYING, route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

SECRET = "Bearer planted-and-never-to-be-seen"
ROWS = "SELECT service, headers FROM payload WHERE job_id = $1::uuid"
CALLED = "SELECT attempts FROM invocation WHERE job_id = $1::uuid AND attempts > 0 AND worker IS NULL"


async def test_a_call_that_another_process_repeats_has_its_credentials(
    world: World, places: Places, make_replica: MakeReplica, database: str
) -> None:
    await world.services.stop()
    routes = [route("/one", service("billing", places.services_url))]
    replica = make_replica(routes, over=DYING)
    await replica.start()
    sent = {"authorization": SECRET, "cookie": SECRET, "x_thing": "plain"}
    answer = await world.submit(replica.ports.gateway_url + "/one", b"{}", **sent)
    job_id = answer.headers["x-job-id"]

    async def called() -> Any:
        return await query(database, CALLED, job_id)

    await ask_until(called, "a call was tried")
    replica.kill()
    (row,) = await query(database, ROWS, job_id)
    assert not re.search(rb"planted|uthorization|ookie", row["headers"])
    assert b"x-thing: plain" in row["headers"].lower()
    assert "planted" not in replica.log.read_text()
    await world.services.start()
    await replica.start()
    (call,) = await wait_until(lambda: world.services.calls, "the service is called")
    assert (call.headers["authorization"], call.headers["x-thing"]) == (SECRET, "plain")
    assert "cookie" not in call.headers


async def test_a_replica_without_the_key_leaves_the_call_to_one_that_has_it(
    world: World, places: Places, make_replica: MakeReplica, tmp_path: Path
) -> None:
    await world.services.stop()
    routes = [route("/one", service("billing", places.services_url))]
    keys = tmp_path / "keys"
    keys.write_text("seal_" + "a" * 43 + "=\n")
    replica = make_replica(routes, over={**DYING, "sealing": {"keys_file": str(keys)}})
    stranger = make_replica(routes, over=DYING)
    await replica.start()
    answer = await world.submit(replica.ports.gateway_url + "/one", b"{}", authorization=SECRET)
    job_id = answer.headers["x-job-id"]
    replica.kill()
    await world.services.start()
    await stranger.start()
    await wait_until(lambda: "credentials.unreadable" in stranger.log.read_text(), "the stranger cannot read them")
    assert job_id in stranger.log.read_text()
    assert world.services.calls == []
    stranger.kill()
    await replica.start()
    (call,) = await wait_until(lambda: world.services.calls, "the service is called")
    assert call.headers["authorization"] == SECRET
