"""The retry sequence: a message whose first attempt failed, what becomes of it, and the endpoint that it waits for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sidecar.kit.value_class import value_class
from sidecar.model.outcome import MessageKind, ResultStatus


class RetryState(StrEnum):
    """Where a retry is: ``pending`` until its message was delivered, failed for good or was cancelled."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RetryReason(StrEnum):
    """Why a sequence ended that no single attempt ended."""

    EXHAUSTED = "retries_exhausted"
    UNREACHABLE = "endpoint_unreachable"


class RetryVerdict(StrEnum):
    """What a retry came to."""

    DELIVERED = "delivered"
    FAILED = "failed"  # no repetition can help
    AGAIN = "again"  # it failed, and a repetition may help
    DEFERRED = "deferred"  # not sent, by a fault of ours: no attempt


@value_class
class Retry:
    """A retry that this process owns, with all that sending takes. An aggregate has service '' and no body.

    A small body is here even when it lies in the object store too; a large one is in ``stored`` alone.
    """

    job_id: UUID
    service: str
    worker: int
    claim: int
    kind: MessageKind
    status: ResultStatus
    endpoint: str
    attempts: int  # finished attempts at this message before this one, the first ones included
    retry_count: int  # finished retries of this sequence before this one
    first_failed_at: datetime
    last_status: int | None
    last_reason: str | None
    callback_url: str
    correlation_id: str
    route: str
    traceparent: str | None
    services_total: int
    message_id: str  # the ``webhook-id``
    headers: bytes  # content headers
    body: bytes
    stored: bytes | None  # see model.stored
    upload_url: str | None
    links_base: str
    uploaded: bytes | None = None  # what became of the upload-url before, see model.handed


@value_class
class RetryEnd:
    """How a retry ended. Times are seconds.

    ``again`` schedules the next retry unless that, ``delay`` from now, falls later than ``budget`` after the first
    failure. ``wait``, what the webhook asked for, moves it later, at most to the edge of the budget. ``deferred`` makes
    the same retry due in ``delay``.
    """

    job_id: UUID
    service: str
    worker: int
    claim: int
    verdict: RetryVerdict
    status: int | None = None
    reason: str | None = None
    seconds: float = 0.0  # that the attempt took
    delay: float = 0.0
    wait: float = 0.0
    budget: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryAttempt:
    """One attempt in the history of a retry; ``at`` is when it had ended, ``seconds`` how long it took."""

    at: datetime
    status: int | None
    reason: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RetryFacts:
    """What may be known of a retry, or of a message that failed without one: never bodies.

    ``waits_for`` says why a pending one is not sent now: ``being_sent``, ``endpoint_held``, ``circuit_open``,
    ``endpoint_paused``, ``backoff``, ``turn`` (nothing but its turn), or the fault of ours that put it off.
    """

    job_id: UUID
    service: str
    correlation_id: str
    route: str
    kind: str
    status: str
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
class RetryView(RetryFacts):
    """A retry as the ledger has it."""

    callback_url: str


@dataclass(frozen=True, slots=True)
class RetryPage:
    """Some retries, newest job first; ``cursor`` continues, None is the end."""

    rows: tuple[RetryView, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RedriveFilter:
    """Which messages: whatever is given has to match. ``job_id`` with ``service`` names a single one.

    ``since`` (inclusive) and ``until`` (exclusive) are about when a message failed, or began to.
    """

    job_id: UUID | None = None
    service: str | None = None
    correlation_id: str | None = None
    route: str | None = None
    endpoint: str | None = None
    reason: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint that nothing is sent to.

    Its circuit is ``open``, it is ``paused`` because it asked for that, or ``held`` by an operator, whatever else is
    true of it.

    ``remaining`` is the seconds until it may be probed, or until the pause or hold is over; not positive means now, and
    infinity until an operator resumes it.
    """

    endpoint: str
    state: str
    reason: str
    openings: int  # in a row, without a success between
    opened_at: datetime  # of a hold: when it began
    confirmed_at: datetime  # the last opening
    remaining: float
    probing: bool  # somebody has the lease of the one probe
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class Unmoved:
    """A pending retry whose body lies in Postgres only."""

    job_id: UUID
    service: str
    route: str
    endpoint: str
    headers: bytes  # content headers
    body: bytes


@dataclass(frozen=True, slots=True)
class KnownObject:
    """A stored object that the ledger names; ``stored`` is its description, see model.stored."""

    job_id: UUID
    service: str
    stored: bytes
