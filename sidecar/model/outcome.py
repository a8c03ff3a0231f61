"""The one end of an invocation."""

import hashlib
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import orjson

from sidecar.kit.value_class import value_class


class OutcomeKind(StrEnum):
    """How an invocation ended. The first one stands."""

    RESULT = "result"  # a callback or a synchronous response, succeeded or failed
    REFUSED = "refused"  # a definite refusal; never recorded on an unsure invocation
    ERROR = "error"  # the sidecar gave up: outcome_unknown, crashed_workers
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    ACKNOWLEDGED = "acknowledged"  # completion: none


class MessageKind(StrEnum):
    """What a message to the webhook is: the value of ``x-result-kind``."""

    DIRECT = "direct"
    INDIRECT = "indirect"
    ERROR = "error"
    AGGREGATE = "aggregate"


class ResultStatus(StrEnum):
    """The value of ``x-result-status``."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"


@value_class
class Fence:
    """Whose transition this is; it does nothing once the row has another owner or a later claim."""

    worker: int
    claim: int


@value_class
class Outcome:
    """An outcome on its way into the ledger; ``kind`` is ``None`` when the webhook hears nothing of it."""

    job_id: UUID
    service: str
    outcome: OutcomeKind
    status: ResultStatus
    kind: MessageKind | None
    headers: bytes  # content headers, see model.headers
    body: bytes
    reason: str | None = None
    status_code: int | None = None
    fence: Fence | None = None  # refusals and errors are fenced, results are not
    stored: bytes | None = None  # the stored object that is the body, see model.stored; ``body`` is empty then

    def digest(self) -> bytes:
        """SHA-256 that tells whether a repeated callback is the same one."""
        if self.stored is None:
            return hashlib.sha256(self.status.encode() + b"\n" + self.body).digest()
        return stored_digest(self.status, bytes.fromhex(orjson.loads(self.stored)["sha256"]))


def stored_digest(status: str, sha256: bytes) -> bytes:
    """Tell the :meth:`Outcome.digest` of a result whose body, of this SHA-256, is not in memory."""
    return hashlib.sha256(status.encode() + b"\nobject\n" + sha256).digest()


class Verdict(StrEnum):
    """What became of an outcome that was offered."""

    WON = "won"
    SAME = "same"  # this very outcome stands already
    OTHER = "other"  # another one stands
    EXPIRED = "expired"  # the deadline came first
    UNKNOWN = "unknown"  # no such invocation
    FENCED = "fenced"  # the row has another owner by now, or became unsure


@value_class
class Recorded:
    """The verdict, and for a loser which outcome stands since when."""

    verdict: Verdict
    standing: str | None = None
    since: datetime | None = None
    digest: bytes | None = None  # of the one that stands, see :meth:`Outcome.digest`
    route: str | None = None  # of a winner
    waited: float = 0.0  # of a winner: seconds since its service was called last
    traceparent: str | None = None  # of a winner: that of its job's accept
