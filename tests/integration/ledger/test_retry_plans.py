"""Finding due retries costs the same beside a million finished ones and a dead endpoint with a hundred thousand."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.bounds import BEGINNING
from tests.integration.ledger.filling import add_days
from tests.integration.ledger.plans import FIRST, LAST, blocks, explain, filled_database, nodes, planning

FINISHED = 1_000_000
DEAD_ROWS = 100_000
HEALTHY = 20  # endpoints
EACH = 10  # due rows of each of them
DEAD = "https://dead"
NAMES = [f"https://e{number:02}" for number in range(HEALTHY)]
MOST_BLOCKS = 6_000  # of 8 KiB; the table has tens of thousands
BUDGET = 43_200.0
DAY = 86_400.0

ROWS = """
    INSERT INTO oas_webhook_retry (job_id, service, correlation_id, route, kind, status, callback_url, endpoint,
        services_total, message_id, attempts, state, reason, first_failed_at, next_attempt_at, object, worker, claim,
        claimed_at, created_at, finished_at)
    SELECT (left(ledger_id_floor(now() - interval '1 day' + n * interval '50 ms')::text, 13)
            || lpad(to_hex(n), 20, '0'))::uuid,
           'billing', 'c', '/r', 'direct', 'failed', 'https://h/', x.endpoint, 1, 'm', 1, x.state,
           CASE x.state WHEN 'failed' THEN 'gone' END, now() - interval '1 hour',
           CASE x.state WHEN 'pending' THEN now() - interval '1 second' * (1 + n % 60) END,
           CASE x.endpoint WHEN 'https://dead' THEN '{"bucket": "b", "key": "k"}'::bytea END,
           x.worker, (x.worker IS NOT NULL)::int, now() - interval '1 minute', now(),
           CASE x.state WHEN 'pending' THEN NULL ELSE now() END
    FROM generate_series($1::int + 1, $1::int + $2::int) n
    CROSS JOIN LATERAL (
        SELECT coalesce($3::text, 'https://e' || lpad((n % 20)::text, 2, '0')) AS endpoint, $4::text AS state,
               $5::bigint AS worker) x
"""


async def fill(direct: Any) -> None:
    await direct.execute("ALTER TABLE oas_webhook_retry SET UNLOGGED, SET (autovacuum_enabled = off)")
    await direct.execute("INSERT INTO worker (worker_id, host, pid) OVERRIDING SYSTEM VALUE VALUES (7, 'here', 1)")
    begin = 0
    for count, endpoint, state, worker in (
        (FINISHED, None, "failed", None),
        (DEAD_ROWS, DEAD, "pending", None),
        (HEALTHY * EACH, None, "pending", None),
        (100, None, "pending", 4711),
    ):
        await direct.execute(ROWS, begin, count, endpoint, state, worker)
        begin += count
    await direct.execute(
        "INSERT INTO endpoint SELECT 'https://x' || n, 'closed', 'connect', 0, now(), now(), now(), NULL, NULL, now()"
        " FROM generate_series(1, 20000) n"
    )
    await direct.execute(
        "INSERT INTO endpoint VALUES ($1, 'open', 'connect', 3, now(), now(), now() + interval '1 minute')", DEAD
    )
    await add_days(direct, range(-2, 2), "payload")
    await direct.execute(
        "INSERT INTO payload (job_id, service, headers, body)"
        " SELECT job_id, service, '', 'b' FROM oas_webhook_retry WHERE state = 'pending'"
    )
    await direct.execute("ANALYZE payload")
    await direct.execute("ANALYZE oas_webhook_retry")
    await direct.execute("ANALYZE endpoint")


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with a million finished retries, a dead endpoint, and a few due rows elsewhere."""
    with filled_database(postgres, template, fill) as dsn:
        yield dsn


@pytest.fixture
async def direct(filled: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with planning(filled) as found:
        yield found


BYTES = 1 << 20
MARKS = [BEGINNING] * (HEALTHY + 1)
SCANS: list[tuple[str, tuple[object, ...], str, int]] = [
    ("claim_retries", (FIRST, LAST, 7, NAMES, [5] * HEALTHY, MARKS[1:], BYTES), "retry_due", 100),
    ("claim_retries", (FIRST, LAST, 7, [DEAD, *NAMES], [5] * (HEALTHY + 1), MARKS, BYTES), "retry_due", 105),
    ("claim_retries", (FIRST, LAST, 7, NAMES, [100] * HEALTHY, MARKS[1:], BYTES), "retry_due", HEALTHY * EACH),
    ("retry_endpoints_with_work", ("", 500), "retry_due", HEALTHY + 1),
    ("take_over_retries", (FIRST, LAST, 50), "retry_owned", 50),
    ("held", (FIRST, LAST, 4711, 30.0), "retry_owned", 100),
    ("release_all_retries", (4711,), "retry_owned", 100),
    ("unreachable_retries", (FIRST, LAST, [DEAD, *NAMES], BUDGET, 500), "retry_budget", 0),
    ("unreachable_retries", (FIRST, LAST, [DEAD, *NAMES], 60.0, 100), "retry_budget", 100),
    ("retries_since", (LAST,), "retry_pending", 1),
    ("unmoved", (FIRST, LAST, 100, BYTES), "retry_unmoved", 100),
    ("prune_retries", (DAY,), "retry_finished", 0),
    ("partition_retrying", ("delivery_p20200101",), "retry_pending", 1),
    ("endpoints_away", (), "endpoint_away", 1),
]


@pytest.mark.parametrize(
    ("name", "args", "index", "found"), SCANS, ids=[f"{place} {scan[0]}" for place, scan in enumerate(SCANS)]
)
async def test_a_scan_of_retries_uses_its_partial_index_and_reads_little(
    direct: "asyncpg.Connection[asyncpg.Record]", name: str, args: tuple[object, ...], index: str, found: int
) -> None:
    plan = await explain(direct, name, *args)
    large = [node for node in nodes(plan) if node.get("Relation Name") in ("oas_webhook_retry", "endpoint")]
    assert large
    assert not [node for node in large if node["Node Type"] == "Seq Scan"]
    assert index in {node.get("Index Name") for node in nodes(plan)}
    assert blocks(plan) < MOST_BLOCKS
    assert plan["Actual Rows"] == found


async def test_a_dead_endpoint_that_is_not_asked_for_costs_the_others_nothing(
    direct: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    healthy = await explain(direct, *SCANS[0][:1], *SCANS[0][1])
    due = [node for node in nodes(healthy) if node.get("Index Name") == "retry_due"]
    assert [node["Actual Rows"] * node["Actual Loops"] for node in due] == [5 * HEALTHY]
    assert sum(node.get("Rows Removed by Filter", 0) for node in due) == 0
