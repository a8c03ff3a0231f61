"""Millions of finished rows, quickly: what a ledger looks like after a while."""

from typing import Any

from sidecar.ledger.partitions import PARENTS

IDS = """
    SELECT n, (left(ledger_id_floor($4::timestamptz - (n % $2::int) * interval '1 day')::text, 13)
               || lpad(to_hex(n), 20, '0'))::uuid AS job_id
    FROM generate_series($3::int + 1, $3::int + $1::int) n
"""
JOBS = f"""
    INSERT INTO job (job_id, correlation_id, application, route, method, callback_url, endpoint, gather, services_total,
                     open_services, links_base, created_at, deadline_at)
    SELECT job_id, 'c', 'a', '/r', 'POST', 'https://h/', 'e', 'each', 1, 1, 'l', now(), now() FROM ({IDS}) x
"""
PAYLOADS = f"INSERT INTO payload (job_id, service, headers, body) SELECT job_id, '', '', 'b' FROM ({IDS}) x"
INVOCATIONS = f"""
    INSERT INTO invocation (job_id, service, service_key, call, claim, deadline_at, outcome, status, finished_at)
    SELECT job_id, 'billing', 'http://s' || n % 50, '', 1, now() - interval '1 hour',
           'result', 'succeeded', now() FROM ({IDS}) x
"""
DELIVERIES = f"""
    INSERT INTO delivery (job_id, service, kind, status, endpoint, state, claim, due_at, created_at, finished_at)
    SELECT job_id, 'billing', 'direct', 'succeeded', 'https://e' || n % 50, 'delivered', 1, now() - interval '1 hour',
           now(), now() FROM ({IDS}) x
"""
OPEN_INVOCATIONS = f"""
    INSERT INTO invocation (job_id, service, service_key, call, worker, claim, claimed_at, takeovers, next_attempt_at,
                            deadline_at)
    SELECT job_id, 'risk', 'http://s' || n % 50, '', w.worker, (w.worker IS NOT NULL)::int, now() - interval '1 minute',
           CASE WHEN n % 10 = 0 THEN 4 ELSE 0 END,
           CASE WHEN w.worker IS NULL AND n % 10 > 0 THEN now() - interval '1 second' END,
           now() + (n % 4 - 1) * interval '1 hour'
    FROM ({IDS}) x CROSS JOIN LATERAL (SELECT CASE WHEN n % 3 = 0 THEN n % 2 + 100 END::bigint AS worker) w
"""
OPEN_DELIVERIES = f"""
    INSERT INTO delivery (job_id, service, kind, status, endpoint, state, worker, claim, claimed_at, due_at, created_at)
    SELECT job_id, 'risk', 'direct', 'succeeded', 'https://e' || n % 50, 'open', w.worker, (w.worker IS NOT NULL)::int,
           now() - interval '1 minute', now() - interval '1 second', now()
    FROM ({IDS}) x CROSS JOIN LATERAL (SELECT CASE WHEN n % 3 = 0 THEN n % 2 + 100 END::bigint AS worker) w
"""


async def add_days(direct: Any, days: range, *parents: str) -> None:
    """Add the partitions of days, which are told by their distance from today."""
    for offset in days:
        for parent in parents or PARENTS:
            await direct.execute(
                "SELECT ledger_add_partition($1, (now() AT TIME ZONE 'UTC')::date + $2::int)", parent, offset
            )


async def fill(direct: Any, *, rows: int, days: int, open_rows: int) -> None:
    """Put finished rows on the last ``days`` days, and open ones on today; unlogged, since nobody needs them twice."""
    at = await direct.fetchval("SELECT now()")
    await add_days(direct, range(-days, 2))
    names = await direct.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhrelid::regclass::text ~ '_p'"
    )
    for row in names:
        if not row["name"].endswith("_idx") and not row["name"].endswith("_pkey"):
            await direct.execute(f"ALTER TABLE {row['name']} SET UNLOGGED, SET (autovacuum_enabled = off)")
    for statement in (INVOCATIONS, DELIVERIES):
        await direct.execute(statement, rows, days, 0, at)
    for statement in (JOBS, PAYLOADS, OPEN_INVOCATIONS, OPEN_DELIVERIES):
        await direct.execute(statement, open_rows, 1, rows, at)
    await direct.execute("INSERT INTO worker (worker_id, host, pid) OVERRIDING SYSTEM VALUE VALUES (7, 'here', 1)")
    for parent in PARENTS:
        await direct.execute(f"ANALYZE {parent}")
