"""The ledger of retries: claiming them, ending their attempts, and giving up what cannot be reached."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sidecar.ledger.bounds import Horizon
from sidecar.ledger.claims import PAGE, DueScan, WorkPage, readable, work_page
from sidecar.ledger.group_commit import Lane, Queue
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.packing import unpack
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.release import FencedKind, won
from sidecar.ledger.sqlfiles import Queries
from sidecar.ledger.stats import LedgerStats
from sidecar.model.delivery import DeliveryEnd
from sidecar.model.errors import LedgerError
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.retry import Retry, RetryEnd, RetryState, RetryVerdict


class Retries:
    """What the retry stage asks."""

    def __init__(
        self,
        pool: LinkPool,
        queries: Queries,
        *,
        ownership: Ownership,
        horizon: Horizon,
        lane: Lane,
        stats: LedgerStats,
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._ownership = ownership
        self._horizon = horizon
        self._stats = stats
        self._due = DueScan(pool, queries.claim_retries, horizon=horizon, name="endpoint")
        held = ownership.registry
        self._starts = lane.queue(
            FencedKind(
                "start_retry", query=queries.start_retry, table="delivery", cells=start_row, results=won, registry=held
            )
        )
        self._ends: Queue[RetryEnd, RetryState | None] = lane.queue(
            FencedKind("finish_retry", query=queries.finish_retry, table="retry", results=where, registry=held)
        )

    async def begin(self, end: DeliveryEnd) -> bool:
        """Begin the sequence for a delivery whose first attempt failed; False when it was no longer ours."""
        return await self._starts.submit(end)

    async def claim(self, free: Mapping[str, int]) -> list[Retry]:
        """Claim due retries: of each endpoint at most its free slots. They count as held."""
        worker = self._ownership.worker
        rows = await self._due.claim(free, worker=worker)
        found = readable(rows, claimed_retry, worker=worker, stats=self._stats)
        return found if self._ownership.holding(found, worker=worker) else []

    async def endpoints_with_work(self, cursor: str = "") -> WorkPage:
        """Tell which endpoints have due retries, from ``cursor`` on."""
        rows = await self._pool.fetch(self._queries.retry_endpoints_with_work, cursor, PAGE)
        return work_page(rows, PAGE)

    async def finish(self, end: RetryEnd) -> RetryState | None:
        """End an attempt, and tell where the retry is now; None when it was no longer ours."""
        try:
            state = await self._ends.submit(end)
        except LedgerError:
            self._ownership.registry.drop("retry", end.job_id, end.service, end.claim)
            raise
        if state is not None and end.verdict is not RetryVerdict.DEFERRED:
            self._stats.ended(state)
        return state

    async def unreachable(self, endpoints: Sequence[str], *, budget: float, limit: int = 500) -> int:
        """End what is past its ``budget`` (seconds) and waits for an endpoint whose circuit is open, and tell how much.

        That is retries, and messages that were never tried. An attempt there has to have failed after their budget
        was over, so downtime of ours ends nothing. At most ``limit`` rows of each endpoint and table; repeat while it
        ends any.
        """
        if not endpoints:
            return 0
        lo, hi = await self._horizon.bounds()
        args = (lo, hi, list(endpoints), budget, limit)
        retries = await self._pool.fetch(self._queries.unreachable_retries, *args)
        deliveries = await self._pool.fetch(self._queries.unreachable_deliveries, *args)
        return len(retries) + len(deliveries)


def where(rows: Sequence[tuple[int, str]], count: int) -> list[RetryState | None]:
    """Tell for each place in the batch where its retry is now; None where it was no longer ours."""
    result: list[RetryState | None] = [None] * count
    for place, state in rows:
        result[place - 1] = RetryState(state)
    return result


def start_row(item: DeliveryEnd) -> Mapping[str, object]:
    """Tell the cells of a failed first attempt."""
    return {
        "job_id": item.job_id,
        "service": item.service,
        "worker": item.worker,
        "claim": item.claim,
        "status": item.status,
        "reason": item.reason,
        "seconds": item.seconds,
        "wait": min(max(item.retry_in, item.retry_after), item.budget),
    }


def claimed_retry(row: Mapping[str, Any], *, worker: int) -> Retry:
    """Build a retry from a claimed row."""
    return Retry(
        job_id=UUID(int=row["job_id"].int),
        service=row["service"],
        worker=worker,
        claim=row["claim"],
        kind=MessageKind(row["kind"]),
        status=ResultStatus(row["status"]),
        endpoint=row["endpoint"],
        attempts=row["attempts"],
        retry_count=row["retry_count"],
        first_failed_at=row["first_failed_at"],
        last_status=row["last_status"],
        last_reason=row["last_reason"],
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        route=row["route"],
        traceparent=row["traceparent"],
        services_total=row["services_total"],
        message_id=row["message_id"],
        headers=row["headers"],
        body=unpack(row["body"], row["packed"]),
        stored=row["object"],
        upload_url=row["upload_url"],
        uploaded=row["uploaded"],
        links_base=row["links_base"],
    )
