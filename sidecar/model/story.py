"""The story of one job, as operators read it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar.model.seen_jobs import JobSummary, MessageFacts, ServiceFacts
from sidecar.model.seen_retries import LedgerRow


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
class JobStory:
    """All that is known of one job; ``events`` is its time line, oldest first, what is awaited last."""

    job: JobSummary
    callback_url: str | None  # without its query, for operators who ask for it
    traceparent: str | None
    services: tuple[ServiceFacts, ...]
    messages: tuple[MessageFacts, ...]
    retries: tuple[LedgerRow, ...]
    events: tuple[StoryEvent, ...]
