"""What clients of the admin API send. A wrong value is told by its name, and never repeated."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sidecar.model.audit import AuditFilter
from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.model.seen_jobs import JobFilter, JobProgress
from sidecar.operate.ports import STEP

AGGREGATE = "all"  # how people name the message of all services; the ledger's word is ''
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,4}", re.ASCII)


def _time(value: Any) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("write a time of RFC 3339, like 2026-05-01T12:00:00Z")
    # A second may be a leap second (RFC 3339, section 5.6), and a day the 31st of any month: that is no time here.
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("there is no such time") from None
    # What lies beyond the days of any ledger need not be told apart.
    if time.replace(tzinfo=UTC).year < _EARLIEST.year + 1:
        return _EARLIEST
    if time.replace(tzinfo=UTC) >= _LATEST:
        return _LATEST
    return time.astimezone(UTC)


def _job(value: Any) -> UUID:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("a job is named by its x-job-id, like 01a209c8-ed00-7d23-aab6-e8c29e93e8ec")
    return UUID(value)


def _count(value: Any) -> Any:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ValueError("write a whole number")
        return int(value)
    return value


def _whole(value: Any) -> Any:
    """Take 5.0 for 5: to JSON they are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
JobId = Annotated[UUID, BeforeValidator(_job), WithJsonSchema({"type": "string", "format": "uuid"})]
Word = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[^\x00-\x1f\x7f]+$")]
Limit = Annotated[int, Field(ge=1, le=500), BeforeValidator(_count)]
Flag = Literal["true", "false"]


class Asked(BaseModel):
    """The base of all requests: unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class Nothing(Asked):
    """No parameters."""


class Page(Asked):
    """Which page of a list."""

    limit: Limit = 100
    """At most so many."""
    cursor: Word | None = None
    """Where the last page ended: the ``cursor`` that it gave."""


class JobsQuery(Page):
    """Which jobs."""

    correlation_id: Word | None = None
    """The caller's x-correlation-id."""
    route: Word | None = None
    """The path of the route, as in the settings."""
    application: Word | None = None
    """The caller's application."""
    state: JobProgress | None = None
    """How far it got."""
    since: Time | None = None
    """Accepted since then. Without it: in the last day."""
    until: Time | None = None
    """Accepted before then."""

    def chosen(self) -> JobFilter:
        """Build the filter."""
        return JobFilter(self.correlation_id, self.route, self.application, self.state, self.since, self.until)


class StoryQuery(Asked):
    """How much of a job is told."""

    full: Flag = "false"
    """Show the path of the callback-url, too; for operators."""


class Choice(Asked):
    """Which messages: whatever is given has to match."""

    job_id: JobId | None = None
    """Those of one job."""
    service: Word | None = None
    """The service; ``all`` is an aggregate."""
    state: RetryState | None = None
    """Where it is now."""
    endpoint: Name | None = None
    """The endpoint as a list shows it, or its name in the settings."""
    route: Word | None = None
    """The path of the route, as in the settings."""
    correlation_id: Word | None = None
    """The caller's x-correlation-id."""
    reason: Word | None = None
    """Why it failed, like status_503, gone or retries_exhausted."""
    since: Time | None = None
    """Failed, or began to, since then."""
    until: Time | None = None
    """Failed, or began to, before then."""

    def chosen(self) -> RedriveFilter:
        """Build the filter."""
        return RedriveFilter(
            job_id=self.job_id,
            service="" if self.service == AGGREGATE else self.service,
            correlation_id=self.correlation_id,
            route=self.route,
            endpoint=self.endpoint,
            reason=self.reason,
            state=self.state,
            since=self.since,
            until=self.until,
        )


class RetriesQuery(Choice, Page):
    """Which rows of the ledger of retries."""

    full: Flag = "false"
    """Show the path of callback-urls, too; for operators."""


class Change(Asked):
    """A change of messages. Without ``dry_run: false`` it only counts."""

    which: Choice
    """Which messages; something has to narrow them down. Of a dry run, send what it answered."""
    dry_run: bool = True
    """Only count."""
    limit: Annotated[int, Field(ge=1, le=STEP), BeforeValidator(_whole)] = STEP
    """At most so many; repeat while the answer says that there are more."""


class RedriveBody(Change):
    """Send messages again, at once."""

    new_id: bool = False
    """Another webhook-id, so that receivers do not drop it as a repetition."""


class CancelBody(Change):
    """Give messages up."""


class EndpointsQuery(Page):
    """Which endpoints."""

    endpoint: Name | None = None
    """This one only: as a list shows it, or its name in the settings."""


class PauseBody(Asked):
    """Hold an endpoint: nothing is sent there, and nothing that waits expires."""

    endpoint: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """As a list shows it, or its name in the settings."""
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """Why, for the others who operate this."""
    seconds: Annotated[int, Field(ge=1, le=30 * 86_400), BeforeValidator(_whole)] | None = None
    """For how long. Without it: until somebody resumes it."""


class ResumeBody(Asked):
    """Let messages go to an endpoint again."""

    endpoint: Name
    """As a list shows it, or its name in the settings."""


class AuditQuery(Page):
    """Which records of the audit."""

    actor: Word | None = None
    """The name of a token, or user@host of a command."""
    action: Word | None = None
    """What was done: redrive, cancel, pause, resume, erase ..."""
    target: Name | None = None
    """A job (found also where it was one of many), a message as job/service, or an endpoint."""
    since: Time | None = None
    """Done since then."""
    until: Time | None = None
    """Done before then."""

    def chosen(self) -> AuditFilter:
        """Build the filter."""
        return AuditFilter(self.actor, self.action, self.target, self.since, self.until)
