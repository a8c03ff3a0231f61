"""What taking a request in needs of its surroundings."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sidecar.model.job import IdempotencyKey, JobView, KeyTaken, NewJob, Stored
from sidecar.model.outcome import Outcome, Recorded


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    def new_job_id(self) -> UUID:
        """Make an id from the database's clock."""

    def now(self) -> datetime:
        """Tell the database's time."""

    async def accept(self, job: NewJob) -> Stored | KeyTaken:
        """Commit a job, unless its idempotency key is taken."""

    async def refuse_all(self, job_id: UUID, *, services: int) -> bool:
        """Close a job that every service refused, all or nothing."""

    async def record(self, outcome: Outcome, *, patient: bool = False) -> Recorded:
        """Commit an outcome, unless another one stands; a patient one waits for a database that is away."""

    async def job(self, job_id: UUID) -> JobView | None:
        """Return what is known of a job."""

    async def key_holder(self, key: IdempotencyKey) -> KeyTaken | None:
        """Tell which job has an idempotency key."""


class Room(Protocol):
    """Where calls are going to be made."""

    def has_room(self, service_key: str, size: int) -> bool:
        """Tell whether this process should own one more call."""


class Holds(Protocol):
    """Where messages wait for the answer to be written."""

    def hold(self, job_id: UUID) -> None:
        """Begin to hold."""

    def open(self, job_id: UUID) -> None:
        """Let go."""
