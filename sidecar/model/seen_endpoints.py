"""Endpoints as operators see them."""

from dataclasses import dataclass
from datetime import datetime


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
