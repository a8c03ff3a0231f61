"""Ends of ownership: narrow writes, fenced by worker and claim, so that repeating them is harmless."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sidecar.ledger.batch import as_json
from sidecar.ledger.days import day_of, for_day
from sidecar.ledger.link import Link
from sidecar.ledger.registry import Registry, Table

NARROW = 512  # bytes, at most, that such a row brings


class Owned(Protocol):
    """What every end of an ownership names."""

    @property
    def job_id(self) -> UUID:
        """The job."""

    @property
    def service(self) -> str:
        """The service."""

    @property
    def claim(self) -> int:
        """The claim that ends."""


E = TypeVar("E", bound=Owned)
R = TypeVar("R")


class FencedKind(Generic[E, R]):
    """One kind of such writes. Whatever came of it, the row is not held any more afterwards.

    Args:
        name: The kind's name in the statistics.
        query: The statement; it returns the place in the batch of each row that was still ours.
        table: Which rows end to be held.
        cells: Tells an end's cells by name; the end itself has them where nothing is said.
        results: Tells from the rows returned, and the size of the batch, what came of each.
        registry: What this process holds.
    """

    patient = True
    yields = True

    def __init__(
        self,
        name: str,
        *,
        query: str,
        table: Table,
        results: Callable[[Sequence[Any], int], Sequence[R]],
        registry: Registry,
        cells: Callable[[E], Mapping[str, object]] | None = None,
    ) -> None:
        self.name = name
        self._query = query
        self._table: Table = table
        self._cells = cells
        self._results = results
        self._registry = registry

    def unique(self, item: E, /) -> Hashable:
        """Each row once."""
        return (item.job_id, item.service)

    def day(self, item: E, /) -> int:
        """Tell the job's day."""
        return day_of(item.job_id)

    def order(self, item: E, /) -> tuple[int, str]:
        """Sort by job and service."""
        return (item.job_id.int, item.service)

    def size(self, _item: E, /) -> int:
        """Count a narrow row."""
        return NARROW

    async def flush(self, link: Link, items: Sequence[E], /) -> Sequence[R]:
        """Store the ends."""
        cells = items if self._cells is None else list(map(self._cells, items))
        rows = await link.fetch(for_day(self._query, items[0].job_id), as_json(cells))
        for item in items:
            self._registry.drop(self._table, item.job_id, item.service, item.claim)
        return self._results(rows, len(items))


def won(rows: Sequence[Sequence[int]], count: int) -> list[bool]:
    """Tell for each place in the batch whether the statement returned it."""
    result = [False] * count
    for row in rows:
        result[row[0] - 1] = True
    return result
