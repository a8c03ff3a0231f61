"""A delivery: one message to the caller's webhook."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sidecar.kit.value_class import value_class
from sidecar.model.outcome import MessageKind, ResultStatus


class DeliveryState(StrEnum):
    """Where a delivery is.

    ``open`` until its first attempt ended; ``retrying`` while the retry sequence has it; then delivered, failed for
    good or cancelled.
    """

    OPEN = "open"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@value_class
class Delivery:
    """A delivery that this process owns. ``service`` is '' for the aggregate, whose body is rendered when sent."""

    job_id: UUID
    service: str
    worker: int
    claim: int
    kind: MessageKind
    status: ResultStatus
    endpoint: str
    attempts: int  # finished attempts before this one
    callback_url: str
    correlation_id: str
    route: str
    traceparent: str | None
    services_total: int
    headers: bytes  # content headers
    body: bytes
    stored: bytes | None = None  # the stored object that is the body, see model.stored; ``body`` is empty then
    upload_url: str | None = None  # where the caller wants the result to be put
    links_base: str = ""  # what links to this sidecar begin with
    uploaded: bytes | None = None  # what became of the upload-url before, see model.handed

    @property
    def message_id(self) -> str:
        """The ``webhook-id``: the same on every attempt."""
        return message_id(self.job_id, self.service, self.status)


@value_class
class DeliveryEnd:
    """How an attempt ended. Times are seconds.

    State ``open`` gives the row back, due in ``retry_in``. State ``retrying`` begins the retry sequence: its first
    retry is due in ``retry_in`` or in ``retry_after``, whichever is later, but not after ``budget``.
    """

    job_id: UUID
    service: str
    worker: int
    claim: int
    state: DeliveryState
    status: int | None
    reason: str | None
    retry_in: float = 0.0
    attempted: bool = True
    retry_after: float = 0.0
    budget: float = 0.0
    seconds: float = 0.0  # that the attempt took


@dataclass(frozen=True, slots=True)
class Part:
    """One service's share of an aggregate; ``outcome`` is ``None`` while the service has not answered."""

    service: str
    outcome: str | None
    status: ResultStatus
    kind: MessageKind | None
    reason: str | None
    headers: bytes
    body: bytes
    finished_at: datetime | None
    stored: bytes | None = None  # the stored object that is the body, see model.stored; ``body`` is empty then
    copy: bytes | None = None  # the stored object that a small body was copied to
    gone: bool = False  # there was a body, and it is no longer kept


def message_id(job_id: UUID, service: str, status: str) -> str:
    """Build the ``webhook-id`` of a message (Standard Webhooks: unique and stable over attempts)."""
    return f"{job_id}:{service or 'all'}:{status}"
