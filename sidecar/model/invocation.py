"""An invocation: the call of one service for one job."""

from datetime import datetime
from uuid import UUID

from sidecar.kit.value_class import value_class
from sidecar.model.route import ServiceCall


@value_class
class Invocation:
    """An invocation that this process owns: ``worker`` and ``claim`` fence whatever becomes of it."""

    job_id: UUID
    worker: int
    claim: int
    call: ServiceCall
    attempts: int  # finished attempts before this one
    unsure: bool  # an earlier attempt may have reached the service
    method: str
    headers: bytes  # the caller's header block
    body: bytes
    callback_url: str  # the caller's own
    correlation_id: str
    route: str
    traceparent: str | None
    deadline_at: datetime
    stored: bytes | None = None  # the stored object that is the body, see model.stored; ``body`` is empty then


@value_class
class Release:
    """Give an invocation back without an outcome.

    ``retry_in`` seconds from now makes it due again; ``None`` lets it wait for its callback or deadline.
    """

    job_id: UUID
    service: str
    worker: int
    claim: int
    acknowledged: bool
    unsure: bool
    retry_in: float | None
    status: int | None
    reason: str | None
    attempted: bool = True  # False: given back untried, which counts no attempt
