"""The one interface behind the command line, the admin API and the console."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sidecar.model.audit import AuditFilter, AuditRecord
from sidecar.model.overview import Overview
from sidecar.model.retry import RedriveFilter
from sidecar.model.seen_endpoints import EndpointList, EndpointView
from sidecar.model.seen_jobs import JobFilter, JobList
from sidecar.model.seen_retries import LedgerList, RetryCount
from sidecar.model.story import JobStory

STEP = 500
"""Messages that one call redrives or cancels at most."""


class Operator(Protocol):
    """Look and act. Whoever makes one says who acts; each change writes a row of the audit with it.

    An endpoint may be named by its key, or as in the settings. ``cursor`` is where the last page ended: what a page
    gave, and nothing else. Every call raises ``LedgerUnavailable`` while the database is away.
    """

    async def now(self) -> datetime:
        """Tell the database's time: filters and due times are by that clock."""

    async def overview(self) -> Overview:
        """Count what is under way and waits, and tell the last hour."""

    async def jobs(self, which: JobFilter, *, cursor: str | None = None, limit: int = 100) -> JobList:
        """List jobs, newest first."""

    async def story(self, job_id: UUID, *, full: bool = False) -> JobStory | None:
        """Tell all that is known of a job; None when there is none. ``full`` shows the path of its callback-url."""

    async def retries(
        self, which: RedriveFilter, *, cursor: str | None = None, limit: int = 100, full: bool = False
    ) -> LedgerList:
        """List messages that are or were sent again, or failed without that, newest job first."""

    async def count(self, which: RedriveFilter) -> Sequence[RetryCount]:
        """Count what a list of retries would show, most first: the dry run of a redrive or a cancel."""

    async def redrive(self, which: RedriveFilter, *, new_id: bool = False, limit: int = STEP) -> int:
        """Send up to ``limit`` messages again, at once, and tell how many; repeat while it does as many."""

    async def cancel(self, which: RedriveFilter, *, limit: int = STEP) -> int:
        """Give up to ``limit`` messages up, and tell how many; repeat while it does as many."""

    async def endpoints(self, *, cursor: str | None = None, limit: int = 100) -> EndpointList:
        """List the endpoints of which something is known, by name."""

    async def endpoint(self, endpoint: str) -> EndpointView:
        """Tell what is known of one endpoint; of a stranger, that nothing waits there."""

    async def pause(self, endpoint: str, *, reason: str, seconds: float | None = None) -> EndpointView:
        """Hold an endpoint, for so many seconds or until it is resumed."""

    async def resume(self, endpoint: str) -> bool:
        """Let messages go to an endpoint again; False when nothing kept them."""

    async def audit(
        self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100
    ) -> tuple[Sequence[AuditRecord], str | None]:
        """List who changed what, newest first, and the next cursor."""
