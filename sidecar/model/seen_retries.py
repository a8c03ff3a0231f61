"""The ledger of retries as operators see it.

Never bodies or secrets. Of a ``callback-url`` everybody may see the host; an operator who asks for it sees what comes
before the ``?`` too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sidecar.model.retry import RetryFacts, RetryView
from sidecar.model.seen_jobs import callback_host


@dataclass(frozen=True, slots=True)
class LedgerRow(RetryFacts):
    """A message in the ledger of retries, or one that failed without a retry."""

    callback_host: str
    callback_url: str | None  # without its query, for operators who ask for it


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


def without_query(url: str) -> str:
    """Tell a callback-url, without what a query may hold."""
    address, mark, _ = url.partition("?")
    return address + ("?(not shown)" if mark else "")


def ledger_row(view: RetryView, *, full: bool) -> LedgerRow:
    """Show a retry to an operator."""
    facts: Mapping[str, Any] = {one.name: getattr(view, one.name) for one in fields(RetryFacts)}
    return LedgerRow(
        **facts,
        callback_host=callback_host(view.callback_url),
        callback_url=without_query(view.callback_url) if full else None,
    )
