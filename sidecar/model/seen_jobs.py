"""Jobs as operators see them: which there are, and what the ledger knows of one.

Never bodies or secrets. Of a ``callback-url`` everybody may see the host; an operator who asks for it sees what comes
before the ``?`` too.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from sidecar.model.retry import RetryAttempt


class JobProgress(StrEnum):
    """How far a job got, the worst first: a job with a failed message is ``failed`` whatever else it does."""

    REFUSED = "refused"  # every service refused, and the caller was told; the webhook heard nothing
    FAILED = "failed"  # a message failed for good
    RUNNING = "running"  # a service has not answered yet
    RETRYING = "retrying"  # a message waits for another attempt
    DELIVERING = "delivering"  # a message waits for its first attempt
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs: whatever is given has to match. ``since`` (inclusive) and ``until`` (exclusive) are about accept."""

    correlation_id: str | None = None
    route: str | None = None
    application: str | None = None
    state: JobProgress | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One job in a list."""

    job_id: UUID
    correlation_id: str
    application: str
    route: str
    method: str
    endpoint: str
    callback_host: str
    gather: str
    state: JobProgress
    services_total: int
    services_open: int  # that have not answered yet
    messages_open: int
    messages_delivered: int
    messages_failed: int
    created_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class JobList:
    """Some jobs, newest first. ``cursor`` continues, null is the end; a page may be short, or empty, and have one."""

    jobs: tuple[JobSummary, ...]
    cursor: str | None
    since: datetime  # where the look began: without a filter it is a day ago


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One call of a service as the ledger has it."""

    service: str
    outcome: str | None
    status: str | None
    kind: str | None
    attempts: int
    unsure: bool
    takeovers: int
    under_way: bool
    claimed_at: datetime | None
    next_attempt_at: datetime | None
    acknowledged_at: datetime | None
    receiving: bool  # its result is arriving
    deadline_at: datetime
    last_status: int | None
    last_reason: str | None
    history: tuple[RetryAttempt, ...]  # failed attempts that were followed by another
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """One message to the webhook as the ledger has it; ``service`` is '' for an aggregate."""

    service: str
    kind: str
    status: str
    state: str
    attempts: int
    waits_for: str | None
    claimed_at: datetime | None
    due_at: datetime
    last_status: int | None
    last_reason: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job with its calls and messages."""

    summary: JobSummary
    callback_url: str
    traceparent: str | None
    services: tuple[ServiceFacts, ...]
    messages: tuple[MessageFacts, ...]


def callback_host(url: str) -> str:
    """Tell the host of a callback-url, and its port where it is written."""
    return urlsplit(url).netloc
