"""What calling services needs of its surroundings."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from sidecar.ledger import Registry
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Release
from sidecar.model.outcome import Outcome, Recorded
from sidecar.outbound.requests import Failure, Reply
from sidecar.outbound.streams import Source, Spill


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    @property
    def registry(self) -> Registry:
        """What this process holds. A fenced write ends the holding by itself, an unfenced one does not."""

    def may_act(self, worker: int) -> bool:
        """Tell whether work owned under this id may be acted on now."""

    async def release(self, release: Release) -> bool:
        """Commit the end of an ownership without an outcome."""

    def acknowledge(self, release: Release, *, lost: Callable[[Release, LedgerError], None]) -> None:
        """Commit soon that a service took the call, unless its outcome comes first; ``lost`` hears of a failure."""

    async def record(self, outcome: Outcome, *, patient: bool = False) -> Recorded:
        """Commit an outcome, unless another one stands; a patient one waits for a database that is away."""


class Acknowledgements(Protocol):
    """Where a caller may be waiting to hear who took the job."""

    def took(self, job_id: UUID, service: str, status: int) -> None:
        """Tell that a service took the call."""

    def refused(self, outcome: Outcome) -> bool:
        """Hand over a refusal; true when the one who waits will commit it."""


class Send(Protocol):
    """One HTTP call; silence is a value, not an exception."""

    def __call__(
        self,
        *,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | Source,
        timeout: float,
        max_response: int,
        spill: Spill | None = None,
    ) -> Awaitable[Reply | Failure]:
        """Send one request; ``timeout`` is seconds to the end of the response, ``max_response`` bytes of its body."""
