"""Bodies go before their jobs, by the duties of the real process."""

from typing import Any
from uuid import UUID

import pytest

from tests.acceptance.harness.audit import query
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.large.bench import Bench
from tests.integration.offload.builders import MIB, noise

EARLIER = 600_000 << 80  # ten minutes of a UUIDv7
TABLES = ("job", "payload", "invocation", "delivery", "stored_object")
OLDER = (
    "WITH "
    + ", ".join(
        f"{table}_ AS (UPDATE {table} SET job_id = $2::uuid WHERE job_id = $1::uuid RETURNING 1)" for table in TABLES
    )
    + " SELECT 1"
)
"""In one statement, because the duties look all the time."""
LEFT = (
    "SELECT (SELECT count(*) FROM payload WHERE job_id = $1::uuid AND dropped_at IS NULL) AS bodies,"
    " (SELECT unwanted_at IS NOT NULL FROM stored_object WHERE job_id = $1::uuid AND service = '') AS unwanted"
)


@pytest.fixture
def over(offload: dict[str, Any]) -> dict[str, Any]:
    return {"offload": offload, "retention": {"bodies": "0s"}}


async def test_a_request_and_a_delivered_result_are_dropped_and_the_result_is_gone(bench: Bench) -> None:
    bench.backend.result = b"a small result"
    job_id = (await bench.submit("/stock", noise(MIB))).json["job_id"]
    await bench.world.message(job_id, "stock")

    async def over() -> Any:
        return await bench.ask("SELECT true FROM delivery WHERE job_id = $1 AND state = 'delivered'", job_id)

    await ask_until(over, "the message is delivered")
    answer = await bench.world.ask(f"{bench.replica.ports.gateway_url}/_jobs/{job_id}/results/stock", app="")
    assert (answer.status, answer.body) == (200, b"a small result")
    older = str(UUID(int=UUID(job_id).int - EARLIER))
    await query(bench.dsn, OLDER, job_id, older)

    async def dropped() -> bool:
        (row,) = await query(bench.dsn, LEFT, older)
        return bool(row["bodies"] == 0 and row["unwanted"])

    await ask_until(dropped, "the bodies are dropped")
    gone = await bench.world.ask(f"{bench.replica.ports.gateway_url}/_jobs/{older}/results/stock", app="")
    assert (gone.status, gone.problem["code"]) == (410, "result_gone")
