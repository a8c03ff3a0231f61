"""Taking one rule away each: the simulation has to notice. Texts and duties are swapped here, never in the program."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sidecar.ledger import Ledger
from sidecar.ledger.sqlfiles import Queries
from tests.integration.simulation.replicas import Replica


def swap(ledger: Ledger, change: Callable[[Queries], Queries]) -> None:
    """Give every part of a ledger other queries."""
    changed = change(ledger._queries)
    parts: list[Any] = [ledger, ledger._life, ledger._claims, ledger._sweeps]
    parts += [queue.kind for lane in (ledger._hot, ledger._large) for queue in lane._queues]
    for part in parts:
        part._queries = changed
    ledger._claims._invocations._query = changed.claim_invocations


def cut(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new)


def without_unsure(queries: Queries) -> Queries:
    """Forget that an attempt may have reached the service."""
    return replace(
        queries,
        record=cut(queries.record, "AND (c.outcome <> 'refused' OR NOT i.unsure)", ""),
        claim_invocations=cut(queries.claim_invocations, "i.attempts, i.unsure,", "i.attempts, false AS unsure,"),
    )


def sweeping_the_last(queries: Queries) -> Queries:
    """Free the rows of the worker that died last, by its death; not of all that are not alive."""
    alive = "NOT EXISTS (SELECT FROM worker v WHERE v.worker_id = w.worker AND v.dead_at IS NULL)"
    last = "w.worker = (SELECT v.worker_id FROM worker v WHERE v.dead_at IS NOT NULL ORDER BY v.dead_at DESC LIMIT 1)"
    return replace(
        queries,
        take_over_invocations=cut(queries.take_over_invocations, alive, last),
        take_over_deliveries=cut(queries.take_over_deliveries, alive, last),
    )


def without_countdown(queries: Queries) -> Queries:
    """Ask whether the other services are done, instead of counting them down under a lock."""
    text = cut(queries.record, "AND gather = 'all'\n    ORDER BY job_id FOR NO KEY UPDATE", "AND false")
    start, end = text.index("), j AS ("), text.index("), m AS (")
    asked = """), j AS (
    SELECT b.job_id, 0 AS open_services, 0 AS failed_services, b.services_total, b.endpoint, b.callback_url,
           b.correlation_id, b.route, b.traceparent, b.links_base, b.upload_url
    FROM s JOIN job_p{day} b ON b.job_id = s.job_id AND b.gather = 'all'
    WHERE NOT EXISTS (SELECT FROM invocation_p{day} o WHERE o.job_id = b.job_id AND o.outcome IS NULL
                      AND NOT EXISTS (SELECT FROM u WHERE u.job_id = o.job_id AND u.service = o.service))
"""
    return replace(queries, record=text[:start] + asked + text[end:])


class WithoutReconcile(Replica):
    """Never asks what it is said to hold."""

    async def reconcile(self) -> None:
        return


class SweepingOnce(Replica):
    """Sweeps when it buries somebody, and never again."""

    async def beat(self) -> None:
        if not self.silent:
            await self.ledger.beat()
            if await self.ledger.observe():
                await super().take_over()

    async def take_over(self) -> None:
        return
