"""What this process knows that it holds."""

from typing import Literal
from uuid import UUID

Table = Literal["invocation", "delivery", "retry"]


class Registry:
    """The rows under work in this process, by their claim.

    A row that the ledger says is ours and that is not here was lost on its way (a commit whose answer did not come):
    reconciling gives such rows back. A row enters before it is handed over and leaves when the write that ends the
    ownership was committed or turned out to be lost.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[Table, UUID, str], int] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, table: Table, job_id: UUID, service: str, claim: int) -> None:
        """Note a row as held under this claim."""
        self._held[table, job_id, service] = claim

    def drop(self, table: Table, job_id: UUID, service: str, claim: int) -> None:
        """Forget a row, unless it is held under a later claim."""
        key = (table, job_id, service)
        if self._held.get(key) == claim:
            del self._held[key]

    def drop_job(self, job_id: UUID) -> None:
        """Forget all rows of a job."""
        for key in [key for key in self._held if key[1] == job_id]:
            del self._held[key]

    def holds(self, table: Table, job_id: UUID, service: str, claim: int) -> bool:
        """Tell whether this very claim is held."""
        return self._held.get((table, job_id, service)) == claim

    def forget_all(self) -> None:
        """Forget everything: this worker was buried, and its rows go to others."""
        self._held.clear()
