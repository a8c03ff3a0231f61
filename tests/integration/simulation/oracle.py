"""What must be true in the end: nothing lost, nothing wrong, nothing stuck."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sidecar.model.outcome import OutcomeKind
from sidecar.model.reasons import InvocationReason
from tests.integration.ledger.kit import connection
from tests.integration.simulation.world import DEAD_BUDGET, DEAD_ENDPOINT, Memory

STUCK = """
    SELECT (SELECT count(*) FROM invocation WHERE outcome IS NULL)
         + (SELECT count(*) FROM delivery WHERE state IN ('open', 'retrying'))
         + (SELECT count(*) FROM oas_webhook_retry WHERE state = 'pending')
"""
RETRIES = """
    SELECT r.job_id, r.service, r.endpoint, r.state, r.reason, r.retry_count, d.state AS delivery,
           extract(epoch FROM r.finished_at - r.first_failed_at)::float8 AS lasted
    FROM oas_webhook_retry r LEFT JOIN delivery d USING (job_id, service)
"""
GIVEN_UP = {"retries_exhausted", "endpoint_unreachable"}
INVOCATIONS = """
    SELECT j.job_id, j.gather, j.endpoint, i.service, i.outcome, i.last_reason, i.unsure,
           d.state, d.last_reason AS why, d.status AS told
    FROM job j JOIN invocation i USING (job_id)
    LEFT JOIN delivery d ON d.job_id = j.job_id AND d.service = CASE j.gather WHEN 'all' THEN '' ELSE i.service END
"""


@dataclass
class Findings:
    """What is not as it must be, in words."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def fault(self, kind: str, *facts: object) -> None:
        self.counts[kind] += 1
        self.faults.append(f"{kind}: {' '.join(map(str, facts))}")


async def open_rows(dsn: str) -> int:
    """Tell how many rows are not over."""
    async with connection(dsn) as direct:
        return int(await direct.fetchval(STUCK))


async def judge(dsn: str, memory: Memory, answered: Mapping[str, UUID]) -> Findings:
    """Compare what callers were promised with what the ledger, the services and the webhook say."""
    findings = Findings()
    async with connection(dsn) as direct:
        rows = await direct.fetch(INVOCATIONS)
        retries = await direct.fetch(RETRIES)
        stuck = await direct.fetchval(STUCK)
        keys = {row["key"]: row["job_id"] for row in await direct.fetch("SELECT key, job_id FROM idempotency")}
    if stuck:
        findings.fault("stuck rows", stuck)
    known = {row["job_id"] for row in rows}
    for key, job_id in answered.items():
        if job_id not in known:
            findings.fault("lost job", job_id)
        if keys.get(key) != job_id:
            findings.fault("two jobs for one key", key)
    for row in rows:
        _judge_row(findings, memory, row)
    for row in retries:
        _judge_retry(findings, row)
    _judge_memory(findings, memory, rows)
    return findings


def _judge_retry(findings: Findings, row: Any) -> None:
    findings.counts["retried messages"] += 1
    findings.counts["retries"] += row["retry_count"]
    message = row["job_id"], row["service"]
    if row["state"] != "pending" and row["delivery"] != row["state"]:
        findings.fault("retry and delivery differ", *message, row["state"], row["delivery"])
    if row["reason"] in GIVEN_UP:
        findings.counts[row["reason"]] += 1
        if row["endpoint"] != DEAD_ENDPOINT:
            findings.fault("given up too early", *message, row["reason"])
        if row["reason"] == "endpoint_unreachable" and row["lasted"] < DEAD_BUDGET:
            findings.fault("given up within its budget", *message)


def _judge_memory(findings: Findings, memory: Memory, rows: Sequence[Any]) -> None:
    crashed = {
        (UUID(int=r["job_id"].int), r["service"]) for r in rows if r["last_reason"] == InvocationReason.CRASHED_WORKERS
    }
    findings.counts["parked"] = len(crashed)
    for job_id, service, recorded in memory.refused_results:
        if (job_id, service) not in crashed:
            findings.fault("refused result", job_id, service, recorded)
    for job_id, service, recorded in memory.unequal_repeats:
        findings.fault("repeated callback told otherwise", job_id, service, recorded)
    for message_id, bodies in memory.received.items():
        if len(bodies) > 1:
            findings.fault("one message with two bodies", message_id)


def _judge_row(findings: Findings, memory: Memory, row: Any) -> None:
    job_id, service = UUID(int=row["job_id"].int), row["service"]
    findings.counts["invocations"] += 1
    if row["outcome"] is None:
        return  # told as stuck
    never_called = (job_id, service) not in memory.worked and not row["unsure"]
    if row["outcome"] == OutcomeKind.DEADLINE and never_called:
        findings.fault("call forgotten", job_id, service)
    if row["state"] is None:
        findings.fault("lost message", job_id, service)
        return
    message = f"{job_id}:{'all' if row['gather'] == 'all' else service}:{row['told']}"
    received = memory.received.get(message)
    if row["endpoint"] == DEAD_ENDPOINT or row["why"] == InvocationReason.CRASHED_WORKERS:
        return
    if row["state"] != "delivered" or not received:
        findings.fault("undelivered message", message, row["state"])
    elif row["outcome"] == OutcomeKind.RESULT and not any(memory.worked[job_id, service] in body for body in received):
        findings.fault("wrong message", message)
