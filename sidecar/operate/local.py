"""Operating over the database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sidecar.ledger.operator import OperatorLedger
from sidecar.model.audit import Actor, AuditFilter, AuditRecord
from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import EndpointRule, NamedEndpoint
from sidecar.model.overview import Overview
from sidecar.model.retry import RedriveFilter
from sidecar.model.seen_endpoints import EndpointList, EndpointView
from sidecar.model.seen_jobs import JobFilter, JobList
from sidecar.model.seen_retries import LedgerList, RetryCount, ledger_row, without_query
from sidecar.model.story import JobStory
from sidecar.operate.cursor import CursorError, read_cursor, uuid_place, write_cursor
from sidecar.operate.ports import STEP
from sidecar.operate.story import story_events
from sidecar.settings.units import DAY
from sidecar.settings.webhook import WebhookSettings

OF_A_JOB = 500  # messages and audit rows of one job that its story tells


class EndpointNames:
    """Endpoints as the settings name them."""

    def __init__(self, webhook: WebhookSettings) -> None:
        named = [NamedEndpoint(rule.name, rule.match) for rule in webhook.endpoints]
        rule = EndpointRule(named, segments=webhook.endpoint_path_segments)
        self._keys = {one.name: rule.endpoint_of(parse_webhook_url(one.prefix)) for one in named}
        self._names = {key: name for name, key in self._keys.items()}

    def key(self, text: str) -> str:
        """Find the key of an endpoint that is named as in the settings; any other text is a key already."""
        return self._keys.get(text, text)

    def shown(self, view: EndpointView) -> EndpointView:
        """Add the name."""
        return replace(view, name=self._names.get(view.endpoint))


class LocalOperator:
    """The ledger as one operator sees and changes it: see :class:`sidecar.operate.ports.Operator`.

    Args:
        ledger: The database.
        by: Whom the audit names.
        names: Endpoints as the settings name them.
        retention: Seconds that jobs are kept.
    """

    def __init__(self, ledger: OperatorLedger, *, by: Actor, names: EndpointNames, retention: float) -> None:
        self._ledger = ledger
        self._by = by
        self._names = names
        self._retention = retention

    async def now(self) -> datetime:
        """Tell the database's time."""
        return await self._ledger.now()

    async def overview(self) -> Overview:
        """Count what is under way and waits, and tell the last hour."""
        return await self._ledger.browse.overview()

    async def jobs(self, which: JobFilter, *, cursor: str | None = None, limit: int = 100) -> JobList:
        """List jobs, newest first; without ``since`` those of a day."""
        now = await self._ledger.now()
        since = which.since or datetime.fromtimestamp(now.timestamp() - DAY, now.tzinfo)
        # Nobody is let look through more days than jobs are kept.
        oldest = max(since.timestamp(), now.timestamp() - self._retention - DAY)
        before = uuid_place(read_cursor("jobs", cursor))
        page = await self._ledger.browse.jobs(which, since=oldest, before=before, limit=limit)
        return JobList(page.jobs, write_cursor("jobs", None if page.last is None else str(page.last)), since)

    async def story(self, job_id: UUID, *, full: bool = False) -> JobStory | None:
        """Tell all that is known of a job."""
        facts = await self._ledger.browse.facts(job_id)
        if facts is None:
            return None
        page = await self._ledger.redrive.retries(RedriveFilter(job_id=job_id), limit=OF_A_JOB)
        rows = tuple(ledger_row(view, full=full) for view in page.rows)
        audit = await self._ledger.audit.records(AuditFilter(target=str(job_id)), limit=OF_A_JOB)
        return JobStory(
            job=facts.summary,
            callback_url=without_query(facts.callback_url) if full else None,
            traceparent=facts.traceparent,
            services=facts.services,
            messages=facts.messages,
            retries=rows,
            events=story_events(facts, rows, audit, now=await self._ledger.now()),
        )

    async def retries(
        self, which: RedriveFilter, *, cursor: str | None = None, limit: int = 100, full: bool = False
    ) -> LedgerList:
        """List messages of the ledger of retries."""
        place = read_cursor("retries", cursor)
        try:
            page = await self._ledger.redrive.retries(self._keyed(which), cursor=place, limit=limit)
        except ValueError as error:
            raise CursorError from error
        return LedgerList(
            tuple(ledger_row(view, full=full) for view in page.rows), write_cursor("retries", page.cursor)
        )

    async def count(self, which: RedriveFilter) -> Sequence[RetryCount]:
        """Count what a list of retries would show."""
        return await self._ledger.count(self._keyed(which))

    async def redrive(self, which: RedriveFilter, *, new_id: bool = False, limit: int = STEP) -> int:
        """Send messages again."""
        chosen = self._keyed(which)
        return await self._ledger.redrive.redrive(
            chosen, by=self._by, retention=self._retention, new_id=new_id, limit=limit
        )

    async def cancel(self, which: RedriveFilter, *, limit: int = STEP) -> int:
        """Give messages up."""
        return await self._ledger.redrive.cancel(self._keyed(which), by=self._by, limit=limit)

    async def endpoints(self, *, cursor: str | None = None, limit: int = 100) -> EndpointList:
        """List endpoints."""
        after = read_cursor("endpoints", cursor) or ""
        found = await self._ledger.browse.endpoints(after=after, limit=limit)
        last = found[-1].endpoint if len(found) == limit else None
        return EndpointList(tuple(map(self._names.shown, found)), write_cursor("endpoints", last))

    async def endpoint(self, endpoint: str) -> EndpointView:
        """Tell what is known of one endpoint."""
        (view,) = await self._ledger.browse.endpoint_states([self._names.key(endpoint)])
        return self._names.shown(view)

    async def pause(self, endpoint: str, *, reason: str, seconds: float | None = None) -> EndpointView:
        """Hold an endpoint."""
        await self._ledger.holds.hold(self._names.key(endpoint), seconds=seconds, reason=reason, by=self._by)
        return await self.endpoint(endpoint)

    async def resume(self, endpoint: str) -> bool:
        """Let messages go to an endpoint again."""
        return await self._ledger.holds.resume(self._names.key(endpoint), by=self._by)

    async def audit(
        self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100
    ) -> tuple[Sequence[AuditRecord], str | None]:
        """List who changed what."""
        place = read_cursor("audit", cursor)
        if place is not None and not (place.isascii() and place.isdigit() and len(place) < len(str(1 << 63))):
            raise CursorError
        chosen = which if which.target is None else replace(which, target=self._names.key(which.target))
        found = await self._ledger.audit.records(chosen, before=None if place is None else int(place), limit=limit)
        return found, write_cursor("audit", str(found[-1].id) if len(found) == limit else None)

    def _keyed(self, which: RedriveFilter) -> RedriveFilter:
        return which if which.endpoint is None else replace(which, endpoint=self._names.key(which.endpoint))
