"""Who changes things by hand, and the record of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the name of a token with its role, or ``user@host`` of a command with the role ``cli``."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change that somebody made; ``detail`` says how many, which jobs, and what was asked for."""

    id: int
    at: datetime
    actor: str
    role: str
    action: str  # redrive | cancel | pause | resume | erase
    target: str  # a job, job/service, an endpoint, or 'filter'
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: whatever is given has to match. A job as ``target`` is found also where it was one of many."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
