"""Giving invocations back without an outcome, and ending deliveries: fenced writes that may be repeated."""

from collections.abc import Hashable, Sequence

from sidecar.ledger.link import Link
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.sqlfiles import Queries
from sidecar.model.delivery import DeliveryEnd
from sidecar.model.invocation import Release


class ReleaseKind:
    """Invocations that are acknowledged, postponed or left waiting. True where the row was still ours."""

    name = "release"
    patient = True

    def __init__(self, queries: Queries, ownership: Ownership) -> None:
        self._queries = queries
        self._ownership = ownership

    def unique(self, item: Release, /) -> Hashable:
        """Each invocation once."""
        return (item.job_id, item.service)

    def order(self, item: Release, /) -> tuple[int, str]:
        """Sort by job and service."""
        return (item.job_id.int, item.service)

    def size(self, _item: Release, /) -> int:
        """Count a narrow row."""
        return 128

    async def flush(self, link: Link, items: Sequence[Release], /) -> Sequence[bool]:
        """Store the releases."""
        columns = zip(*map(release_row, items), strict=True)
        rows = await link.fetch(self._queries.release, items[0].job_id, items[-1].job_id, *columns)
        drop = self._ownership.registry.drop
        for item in items:
            drop("invocation", item.job_id, item.service, item.claim)
        return won(rows, len(items))


class FinishKind:
    """Deliveries that ended, or are given back. True where the row was still ours."""

    name = "finish"
    patient = True

    def __init__(self, queries: Queries, ownership: Ownership) -> None:
        self._queries = queries
        self._ownership = ownership

    def unique(self, item: DeliveryEnd, /) -> Hashable:
        """Each delivery once."""
        return (item.job_id, item.service)

    def order(self, item: DeliveryEnd, /) -> tuple[int, str]:
        """Sort by job and service."""
        return (item.job_id.int, item.service)

    def size(self, _item: DeliveryEnd, /) -> int:
        """Count a narrow row."""
        return 128

    async def flush(self, link: Link, items: Sequence[DeliveryEnd], /) -> Sequence[bool]:
        """Store the ends."""
        columns = zip(*map(finish_row, items), strict=True)
        rows = await link.fetch(self._queries.finish, items[0].job_id, items[-1].job_id, *columns)
        drop = self._ownership.registry.drop
        for item in items:
            drop("delivery", item.job_id, item.service, item.claim)
        return won(rows, len(items))


def release_row(item: Release) -> tuple[object, ...]:
    """Turn a release into its cells."""
    return (
        item.job_id,
        item.service,
        item.worker,
        item.claim,
        item.acknowledged,
        item.unsure,
        item.retry_in,
        item.status,
        item.reason,
        item.attempted,
    )


def finish_row(item: DeliveryEnd) -> tuple[object, ...]:
    """Turn the end of a delivery into its cells."""
    return (
        item.job_id,
        item.service,
        item.worker,
        item.claim,
        item.state,
        item.status,
        item.reason,
        item.retry_in,
        item.attempted,
    )


def won(rows: Sequence[Sequence[int]], count: int) -> list[bool]:
    """Tell for each place in the batch whether the statement returned it."""
    result = [False] * count
    for row in rows:
        result[row[0] - 1] = True
    return result
