"""What the ledger has to be told, and whom it hands committed work over to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """How to reach the database, and how long things may take. Times are seconds.

    ``pool`` counts the connections for claims, duties and reads; two flushers and the beat have their own.
    ``retention`` is how long finished jobs are kept. ``password_file`` is read again at every connect. ``pooler`` is
    ``transaction`` behind PgBouncer: then server settings have to be given by ``ALTER ROLE``, since a pooled connection
    cannot carry them.
    """

    dsn: str
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    pool: int = 10
    pooler: Literal["none", "transaction"] = "none"
    statement_timeout: float = 10.0
    dead_after: float = 15.0
    retention: float = 14 * 86_400.0
    application: str = "pool"


class Handover(Protocol):
    """Takes committed work that this process owns. Nothing here may raise or wait."""

    def invocations(self, work: Sequence[Invocation], /) -> None:
        """Start these calls."""

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        """Send these messages."""

    def full_endpoints(self) -> Sequence[str]:
        """Name the endpoints whose new deliveries shall wait in the ledger."""
