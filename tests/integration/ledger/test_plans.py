"""Finding due work costs the same beside a million finished rows, on one day or on forty."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.bounds import AHEAD, BEGINNING
from sidecar.ledger.clock import ceiling_id
from tests.integration.ledger.filling import fill
from tests.integration.ledger.plans import LAST, QUERIES, Plan, blocks, explain, filled_database, nodes, planning

ROWS = 1_000_000
OPEN_ROWS = 600
MOST_BLOCKS = 10_000  # of 8 KiB; the tables have more than a hundred thousand
SMALL = 1_000  # blocks: a day to come, or a small one, may be read from end to end
FREE = 5


@pytest.fixture(scope="module", params=[1, 40], ids=["one day", "forty days"])
def filled(postgres: EmbeddedPostgres, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with a million finished rows and a few open ones."""
    filling = partial(fill, rows=ROWS, days=request.param, open_rows=OPEN_ROWS)
    with filled_database(postgres, template, filling) as dsn:
        yield dsn


@pytest.fixture
async def direct(filled: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with planning(filled) as found:
        yield found


async def explain_open(direct: "asyncpg.Connection[asyncpg.Record]", name: str, *args: object) -> Plan:
    """Explain a query over the days that may have open rows."""
    return await explain(direct, name, await direct.fetchval("SELECT ledger_open_since()"), LAST, *args)


MARKS = [BEGINNING] * 50
KEYS = [f"http://s{n}" for n in range(50)]
ENDPOINTS = [f"https://e{n}" for n in range(50)]
SCANS = [
    ("claim_invocations", (7, KEYS, [FREE] * 50, MARKS, 1 << 20), "service_key_next_attempt_at", 150),
    ("claim_deliveries", (7, ENDPOINTS, [FREE] * 50, MARKS, 1 << 20), "endpoint_due_at", 250),
    ("service_keys_with_work", ("", 500), "service_key_next_attempt_at", 45),
    ("endpoints_with_work", ("", 500), "endpoint_due_at", 50),
    ("take_over_invocations", (500,), "worker", 200),
    ("take_over_deliveries", (500,), "worker", 200),
    ("held", (100, 30.0), "worker", 200),
    ("expired", (BEGINNING, 100), "deadline_at", 100),
    ("parked", (100,), "takeovers", 40),
    ("usage", (["a"],), "deadline_at", 1),
    ("backlog_due", (10_000,), "endpoint_due_at", 5),
]


@pytest.mark.parametrize(("name", "args", "index", "found"), SCANS, ids=[scan[0] for scan in SCANS])
async def test_a_scan_uses_the_partial_index_and_reads_little(
    direct: "asyncpg.Connection[asyncpg.Record]", name: str, args: tuple[object, ...], index: str, found: int
) -> None:
    plan = await explain_open(direct, name, *args)
    scans = [node for node in nodes(plan) if "Relation Name" in node and node["Node Type"] != "ModifyTable"]
    on_state = [node for node in scans if node["Relation Name"].startswith(("invocation_p", "delivery_p"))]
    assert on_state
    assert not [node for node in on_state if node["Node Type"] == "Seq Scan" and blocks(node) > SMALL]
    assert any(f"_{index}_idx" in node.get("Index Name", "") for node in nodes(plan))
    assert blocks(plan) < MOST_BLOCKS
    assert plan["Actual Rows"] >= found


@pytest.mark.parametrize("name", [scan[0] for scan in SCANS])
async def test_a_scan_touches_no_day_that_is_over(direct: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    args = next(scan[1] for scan in SCANS if scan[0] == name)
    plan = await explain_open(direct, name, *args)
    days = {node["Relation Name"][-8:] for node in nodes(plan) if "_p2" in node.get("Relation Name", "")}
    assert len(days) <= 3, days


async def test_where_to_begin_is_told_without_reading_finished_rows(
    direct: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    end = ceiling_id(time.time() + AHEAD)
    (found,) = await direct.fetch(QUERIES["open_since"], end)  # and have the catalogue in memory
    text = await direct.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {QUERIES['open_since']}", end)
    assert blocks(json.loads(text)[0]["Plan"]) < MOST_BLOCKS
    assert found["beyond"] is None
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert UUID(int=found["job_id"].int).int >> 80 >= int((today.timestamp() - 3600) * 1000)
