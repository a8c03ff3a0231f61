"""Recording outcomes: the one way in which an invocation ends."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sidecar.ledger.acknowledgements import Acknowledgements
from sidecar.ledger.batch import as_json
from sidecar.ledger.days import day_of, for_day
from sidecar.ledger.group_commit import Again
from sidecar.ledger.link import Link
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.packing import Packing
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.delivery import Delivery
from sidecar.model.errors import LedgerError
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, Recorded, ResultStatus, Verdict


class RecordKind:
    """Outcomes, with the messages that they make. Repeating one is harmless: it finds itself standing.

    Args:
        queries: The statements.
        ownership: Who this process is, and where messages go.
        patient: Whether outcomes wait for a database that is away.
        acknowledgements: Those that may still wait for their outcomes; told of each that has come.
    """

    name = "record"
    yields = False

    def __init__(
        self, queries: Queries, ownership: Ownership, *, patient: bool, acknowledgements: Acknowledgements
    ) -> None:
        self.patient = patient
        self._acknowledgements = acknowledgements
        self._queries = queries
        self._ownership = ownership
        self._outcomes = ownership.stats.outcomes
        self._packing = Packing()

    def unique(self, item: Outcome, /) -> Hashable:
        """Each invocation once: of two outcomes the second has to see the first."""
        return (item.job_id, item.service)

    def day(self, item: Outcome, /) -> int:
        """Tell the job's day."""
        return day_of(item.job_id)

    def order(self, item: Outcome, /) -> tuple[int, str]:
        """Sort by job and service."""
        return (item.job_id.int, item.service)

    def size(self, item: Outcome, /) -> int:
        """Count body and headers."""
        return len(item.body) + len(item.headers) + 256

    async def flush(self, link: Link, items: Sequence[Outcome], /) -> Sequence[Recorded | Again | LedgerError]:
        """Record the outcomes and hand their messages over."""
        worker = self._ownership.living()
        query = for_day(self._queries.record, items[0].job_id)
        digests = [item.digest() for item in items]
        ids = [item.job_id for item in items]
        headers = [item.headers for item in items]
        bodies, packed = zip(*(self._packing.pack(item.body) for item in items), strict=True)
        full = list(self._ownership.full_endpoints())
        cells = as_json(list(map(outcome_row, items, packed, map(self._code, items))))
        rows = await link.fetch(query, worker, full, ids, cells, headers, bodies, digests)
        results: list[Recorded | Again | LedgerError | None] = [None] * len(items)
        messages: list[Delivery] = []
        for row in rows:
            place = row["n"]
            if place is not None:
                waited = row["waited"] or 0.0
                results[place - 1] = Recorded(
                    Verdict.WON, route=row["route"], waited=waited, traceparent=row["traceparent"]
                )
                won = items[place - 1]
                self._outcomes[won.outcome] += 1
                self._acknowledgements.overtaken(won.job_id, won.service)
            if row["worker"] is not None:
                messages.append(delivery(row, None if place is None else items[place - 1]))
        self._drop(items)
        self._ownership.hand_deliveries(messages, worker=worker)
        losers = [place for place, result in enumerate(results) if result is None]
        if losers:
            verdicts = await self._standing(link, [items[place] for place in losers], [digests[p] for p in losers])
            for place, verdict in zip(losers, verdicts, strict=True):
                results[place] = verdict
        return [result for result in results if result is not None]

    def _code(self, item: Outcome) -> int | None:
        if item.status_code is not None:
            return item.status_code
        return self._acknowledgements.status_of(item.job_id, item.service)

    def _drop(self, items: Sequence[Outcome]) -> None:
        drop = self._ownership.registry.drop
        for item in items:
            if item.fence is not None:
                drop("invocation", item.job_id, item.service, item.fence.claim)

    async def _standing(
        self, link: Link, losers: Sequence[Outcome], digests: Sequence[bytes]
    ) -> Sequence[Recorded | LedgerError]:
        keys = [[item.job_id for item in losers], [item.service for item in losers]]
        try:
            rows = await link.fetch(for_day(self._queries.standing, losers[0].job_id), *keys)
        except LedgerError as error:
            return [error] * len(losers)
        found = {row["n"] - 1: row for row in rows}
        return [verdict(found.get(place), digest) for place, digest in enumerate(digests)]


def outcome_row(item: Outcome, packed: bool, code: int | None) -> Mapping[str, object]:  # noqa: FBT001 - mapped over
    """Tell the plain cells of an outcome."""
    row = {
        "job_id": item.job_id,
        "service": item.service,
        "outcome": item.outcome,
        "status": item.status,
        "kind": item.kind,
        "reason": item.reason,
        "code": code,
    }
    if item.fence is not None:
        row |= {"worker": item.fence.worker, "claim": item.fence.claim}
    if item.stored is not None:
        row["stored"] = item.stored.decode()
    if packed:
        row["packed"] = True
    return row


def delivery(row: Mapping[str, Any], item: Outcome | None) -> Delivery:
    """Build a message from what was committed; ``item`` is None for an aggregate, which has no body yet."""
    return Delivery(
        job_id=UUID(int=row["job_id"].int) if item is None else item.job_id,
        service=row["service"],
        worker=row["worker"],
        claim=1,
        kind=MessageKind.AGGREGATE if item is None or item.kind is None else item.kind,
        status=ResultStatus(row["status"]),
        endpoint=row["endpoint"],
        attempts=0,
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        route=row["route"],
        traceparent=row["traceparent"],
        services_total=row["services_total"],
        headers=b"" if item is None else item.headers,
        body=b"" if item is None else item.body,
        stored=None if item is None else item.stored,
        upload_url=row["upload_url"],
        links_base=row["links_base"],
    )


def verdict(row: Mapping[str, Any] | None, digest: bytes) -> Recorded:
    """Tell what stands in the place of an outcome that lost; ``row`` is the invocation, or None."""
    if row is None:
        return Recorded(Verdict.UNKNOWN)
    standing, since = row["outcome"], row["finished_at"]
    if standing is None:
        return Recorded(Verdict.FENCED)
    if row["sha256"] == digest:
        return Recorded(Verdict.SAME, standing, since)
    if standing == OutcomeKind.DEADLINE:
        return Recorded(Verdict.EXPIRED, standing, since)
    return Recorded(Verdict.OTHER, standing, since, row["sha256"])
