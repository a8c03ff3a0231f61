"""How much one application may have under way."""

from dataclasses import dataclass
from enum import StrEnum


class Limit(StrEnum):
    """The limits of an application, by the names of their settings."""

    RATE = "requests_per_second"
    JOBS = "running_jobs"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Quota:
    """Most requests a second, unfinished jobs, and bytes kept for them; ``None`` is no limit."""

    requests_per_second: float | None
    running_jobs: int | None
    stored: int | None

    @property
    def counts(self) -> bool:
        """Whether anything has to be counted in the ledger."""
        return self.running_jobs is not None or self.stored is not None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an application has: jobs that have not ended, and the bytes that are kept for them."""

    jobs: int
    stored: int
