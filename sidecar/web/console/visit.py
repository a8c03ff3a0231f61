"""One visit to a page: who comes, what they ask, and what they get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.operate.ports import Operator
from sidecar.settings.units import parse_duration
from sidecar.web.console.session import Session
from sidecar.web.tokens import OPERATOR

ROOT = "/console"
LONGEST = 512
FORBIDDEN = Problem(403, "forbidden", "This needs a token with the role operator.")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in. ``rest`` is the path below the page's own."""

    operator: Operator
    session: Session
    rest: tuple[str, ...]
    query: Mapping[str, str]
    form: Mapping[str, str]
    now: datetime

    @property
    def may_act(self) -> bool:
        """Whether they may change anything."""
        return self.session.actor.role == OPERATOR

    def acting(self) -> None:
        """Let through who may change something.

        Raises:
            ProblemError: They may only look.
        """
        if not self.may_act:
            raise ProblemError(FORBIDDEN)

    def since(self, given: str) -> datetime | None:
        """Read ``24h`` as a time before now; None without it, or when it is no duration."""
        try:
            return self.now - timedelta(seconds=parse_duration(given)) if given else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Page:
    """A page to render."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class GoTo:
    """Another page to look at, after something was done."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """The address below our own host."""
        return link(self.path, self.query)


def link(path: str, query: Mapping[str, str | None]) -> str:
    """Write an address, with what the query has."""
    given = {name: value for name, value in query.items() if value}
    return f"{ROOT}{path}" + (f"?{urlencode(given)}" if given else "")


def words(given: Mapping[str, str], *names: str) -> dict[str, str]:
    """Take these from a query or a form: trimmed, and '' where missing.

    Raises:
        ProblemError: One is too long, or has characters that nothing here has.
    """
    taken = {name: given.get(name, "").strip() for name in names}
    for name, value in taken.items():
        if len(value) > LONGEST or not value.isprintable():
            raise ProblemError(Problem(400, "query_invalid", f"{name}: is too long, or has control characters."))
    return taken


def job_of(text: str) -> UUID | None:
    """Read the id of a job; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
