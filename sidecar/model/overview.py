"""What is under way, for operators: the workers, the last hour, and what waits."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker process that lives, as far as the others know."""

    worker_id: int
    host: str
    pid: int
    started_at: datetime
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class Minute:
    """What all workers did in a minute, and what waited then (null where nobody told)."""

    minute: datetime
    accepted: int
    delivered: int
    silent: int  # attempts that are followed by another
    failed: int
    waiting: int | None
    retrying: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What is under way and waits, each counted up to 10,000; and the last hour."""

    now: datetime
    invocations: int
    waiting: int  # messages that wait for their first attempt
    sending: int
    retrying: int
    circuits_open: int
    endpoints_held: int
    oldest_due: datetime | None  # of retries that are late
    workers: tuple[WorkerView, ...]
    minutes: tuple[Minute, ...] = field(default=())
