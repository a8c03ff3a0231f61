"""A job: one accepted request, as it is stored and as the gateway is told about it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sidecar.kit.value_class import value_class
from sidecar.model.route import Gather, ServiceCall


@value_class
class IdempotencyKey:
    """The caller's idempotency key: ``scope`` is application, method and path; ``fingerprint`` body and callback."""

    scope: str
    key: str
    fingerprint: bytes
    ttl: float  # seconds


@value_class
class NewJob:
    """A request that is about to be stored. ``deadline`` is seconds from the database's now."""

    job_id: UUID
    correlation_id: str
    application: str
    route: str
    method: str
    callback_url: str
    endpoint: str
    gather: Gather
    deadline: float
    headers: bytes  # header block, see model.headers
    body: bytes
    traceparent: str | None
    links_base: str
    calls: tuple[ServiceCall, ...]
    owned: tuple[bool, ...]  # per call: this process starts it at once, or it waits in the ledger
    idempotency: IdempotencyKey | None = None
    stored: bytes | None = None  # the stored object that is the body, see model.stored; ``body`` is empty then
    size: int = 0  # bytes that are kept of the body, here or there
    upload_url: str | None = None  # where the caller wants the result to be put
    kept_headers: bytes | None = None  # what is stored in place of ``headers``: credentials are sealed there


@value_class
class Stored:
    """The job was committed just now."""

    created_at: datetime
    deadline_at: datetime


@value_class
class KeyTaken:
    """The idempotency key belongs to an earlier job; nothing was stored."""

    job_id: UUID
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What is known of one invocation and its message, never bodies."""

    service: str
    completion: str
    status: str  # invoking | invoked | succeeded | failed | cancelled
    status_code: int | None
    reason: str | None
    attempts: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What is known of one message to the webhook."""

    message_id: str
    service: str  # '' for the aggregate
    kind: str
    status: str
    state: str
    attempts: int
    status_code: int | None
    reason: str | None
    finished_at: datetime | None
    next_attempt_at: datetime | None = None  # of a message that is being retried


@dataclass(frozen=True, slots=True)
class JobView:
    """The state of one job as its owner may see it."""

    job_id: UUID
    correlation_id: str
    application: str
    route: str
    endpoint: str
    state: str
    links_base: str
    created_at: datetime
    deadline_at: datetime
    services: tuple[ServiceView, ...]
    deliveries: tuple[DeliveryView, ...]


def accepted_at(job_id: UUID) -> float:
    """Tell when a job was accepted, in seconds since 1970: its id is a UUIDv7 (RFC 9562, section 5.7)."""
    return (job_id.int >> 80) / 1000
