"""What operators see: the same values through the database, the admin API, the command line and the console.

Never bodies or secrets. Of a ``callback-url`` everybody may see the host; an operator who asks for it sees what comes
before the ``?`` too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sidecar.model.retry import RetryAttempt, RetryState, RetryView


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


class Leg(StrEnum):
    """Which part of the way an event belongs to."""

    CALLER = "caller"
    SERVICE = "service"
    WEBHOOK = "webhook"
    OPERATOR = "operator"


class Mood(StrEnum):
    """Whether an event is good news."""

    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """One thing that happened to a job, or (``at`` ahead, or null) that is awaited. ``text`` says it in a sentence.

    ``seconds`` is how long an attempt took, where that is known.
    """

    at: datetime | None
    leg: Leg
    what: str
    text: str
    mood: Mood = Mood.PLAIN
    service: str | None = None  # null for all of them: an aggregate, or the job itself
    status: int | None = None
    reason: str | None = None
    seconds: float | None = None


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


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A message in the ledger of retries, or one that failed without a retry: see :class:`RetryView`."""

    job_id: UUID
    service: str
    correlation_id: str
    route: str
    kind: str
    status: str
    callback_host: str
    callback_url: str | None  # without its query, for operators who ask for it
    endpoint: str
    message_id: str
    state: RetryState
    reason: str | None
    waits_for: str | None
    retry_count: int
    attempts: int
    first_failed_at: datetime | None
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_reason: str | None
    history: tuple[RetryAttempt, ...]  # the last 64
    bucket: str | None
    object_key: str | None
    size: int | None
    sha256: str | None
    stored_size: int | None
    stored_sha256: str | None
    content_coding: str | None
    redrives: int
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class LedgerList:
    """Some rows of the ledger, newest job first; ``cursor`` continues, null is the end."""

    retries: tuple[LedgerRow, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RetryCount:
    """How many messages of one endpoint are in one state, and how many of them a redrive would take."""

    endpoint: str
    state: str
    count: int
    redrivable: int


@dataclass(frozen=True, slots=True)
class JobStory:
    """All that is known of one job; ``events`` is its time line, oldest first, what is awaited last."""

    job: JobSummary
    callback_url: str | None  # without its query, for operators who ask for it
    traceparent: str | None
    services: tuple[ServiceFacts, ...]
    messages: tuple[MessageFacts, ...]
    retries: tuple[LedgerRow, ...]
    events: tuple[StoryEvent, ...]


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint: its circuit, an operator's hold, and what waits there, each counted up to 10,000.

    ``state`` is ``held``, else ``open``, ``paused`` (it asked for that) or ``closed`` (all is well). The times of a
    circuit are null while it is closed. ``oldest_due`` may be ahead: then nothing is late.
    """

    endpoint: str
    name: str | None  # in the settings
    state: str
    reason: str | None
    openings: int  # of the circuit in a row, without a success between
    opened_at: datetime | None
    open_until: datetime | None  # then a probe may be sent, or a pause is over
    probing: bool
    held_at: datetime | None
    held_by: str | None
    held_until: datetime | None  # null: until somebody resumes it
    waiting: int  # messages that wait for their first attempt
    retrying: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class EndpointList:
    """Some endpoints, by name; ``cursor`` continues, null is the end."""

    endpoints: tuple[EndpointView, ...]
    cursor: str | None


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


def callback_host(url: str) -> str:
    """Tell the host of a callback-url, and its port where it is written."""
    return urlsplit(url).netloc


def without_query(url: str) -> str:
    """Tell a callback-url, without what a query may hold."""
    address, mark, _ = url.partition("?")
    return address + ("?(not shown)" if mark else "")


def ledger_row(view: RetryView, *, full: bool) -> LedgerRow:
    """Show a retry to an operator."""
    fields: Mapping[str, Any] = {name: getattr(view, name) for name in RetryView.__slots__ if name != "callback_url"}
    return LedgerRow(
        **fields,
        callback_host=callback_host(view.callback_url),
        callback_url=without_query(view.callback_url) if full else None,
    )
