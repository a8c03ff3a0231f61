"""Which retries a command is about: the options that list, redrive and cancel share."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.settings.units import parse_duration

AGGREGATE = "all"  # how people name the message of all services; the ledger's word is ''


@dataclass(frozen=True, slots=True)
class Instant:
    """A time as people write it: ``ago`` before the database's now, else ``time`` itself."""

    ago: timedelta = timedelta()
    time: datetime | None = None

    def at(self, now: datetime) -> datetime:
        """Tell which time that is."""
        return self.time or now - self.ago


def parse_instant(text: str) -> Instant:
    """Read ``2h`` as a time before now, or a time of ISO 8601; one without a zone is UTC.

    Raises:
        typer.BadParameter: It is neither.
    """
    try:
        return Instant(timedelta(seconds=parse_duration(text)))
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it like 2h, 30m or 2026-05-01T12:00:00Z") from None
    return Instant(time=time if time.tzinfo else time.replace(tzinfo=UTC))


def parse_job(text: str) -> UUID:
    """Read the id of a job.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter("a job is named by its x-job-id, like 01a209c8-ed00-7d23-aab6-e8c29e93e8ec") from None


Job = Annotated[UUID, typer.Argument(parser=parse_job, metavar="JOB", help="The x-job-id.")]
MaybeJob = Annotated[
    UUID | None, typer.Argument(parser=parse_job, metavar="JOB", help="The x-job-id; leave it out to filter.")
]
Service = Annotated[
    str | None, typer.Argument(metavar="SERVICE", help="One message of the job; 'all' is an aggregate.")
]
State = Annotated[RetryState | None, typer.Option(help="Where it is now.")]
Endpoint = Annotated[str | None, typer.Option(help="The endpoint as a list shows it, or its name in the settings.")]
Route = Annotated[str | None, typer.Option(help="The path of the route, as in the settings.")]
OfService = Annotated[str | None, typer.Option("--service", help="The service; 'all' is an aggregate.")]
CorrelationId = Annotated[str | None, typer.Option(help="The caller's x-correlation-id.")]
Reason = Annotated[str | None, typer.Option(help="Why it failed, like status_503, gone or retries_exhausted.")]
Since = Annotated[
    Instant | None,
    typer.Option(parser=parse_instant, metavar="AGO|TIME", help="Failed, or began to, since then: 2h, or ISO 8601."),
]
Until = Annotated[
    Instant | None,
    typer.Option(parser=parse_instant, metavar="AGO|TIME", help="Failed, or began to, before then."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many messages it is about.")]


@dataclass(frozen=True, slots=True)
class Which:
    """What was asked for on the command line; times may be relative to the database's now."""

    job: UUID | None = None
    service: str | None = None
    state: RetryState | None = None
    endpoint: str | None = None
    route: str | None = None
    correlation_id: str | None = None
    reason: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it down."""
        return self == Which()

    def at(self, now: datetime) -> RedriveFilter:
        """Turn it into the ledger's filter; an endpoint may be named as in the settings."""
        return RedriveFilter(
            job_id=self.job,
            service="" if self.service == AGGREGATE else self.service,
            state=self.state,
            endpoint=self.endpoint,
            route=self.route,
            correlation_id=self.correlation_id,
            reason=self.reason,
            since=None if self.since is None else self.since.at(now),
            until=None if self.until is None else self.until.at(now),
        )
