"""Jobs and endpoints as people and programs read them: pure functions from what an operator sees to text."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson
from rich.table import Table
from rich.text import Text

from sidecar.cli.retry_text import endpoint_line, roughly, stamp, when
from sidecar.model.seen_endpoints import EndpointView
from sidecar.model.seen_jobs import JobSummary
from sidecar.model.story import JobStory, Mood, StoryEvent

JOB_COLUMNS = ("job", "state", "age", "route", "services", "messages", "endpoint", "correlation id")
ENDPOINT_COLUMNS = ("endpoint", "state", "waiting", "retrying", "oldest due", "why")
CAPPED = 10_000
SIGNS = {Mood.GOOD: "+", Mood.BAD: "!", Mood.WAITING: "~", Mood.PLAIN: " "}
STYLES = {Mood.GOOD: "green", Mood.BAD: "red", Mood.WAITING: "yellow", Mood.PLAIN: ""}


def as_json(value: Any) -> str:
    """Write one value as a line of JSON; times are ISO 8601."""
    return orjson.dumps(value).decode()


def job_table(jobs: Iterable[JobSummary], now: datetime) -> Table:
    """Show one line a job."""
    table = _table(JOB_COLUMNS, folded={"endpoint", "correlation id", "route"})
    for job in jobs:
        table.add_row(*map(Text, job_cells(job, now)))
    return table


def job_cells(job: JobSummary, now: datetime) -> tuple[str, ...]:
    """Tell a job in cells."""
    messages = f"{job.messages_delivered} delivered"
    if job.messages_open:
        messages += f", {job.messages_open} open"
    if job.messages_failed:
        messages += f", {job.messages_failed} failed"
    return (
        str(job.job_id),
        job.state,
        roughly(max((now - job.created_at).total_seconds(), 0)),
        job.route,
        f"{job.services_total - job.services_open}/{job.services_total}",
        messages,
        job.endpoint,
        job.correlation_id,
    )


def story_lines(story: JobStory, now: datetime) -> Iterator[Text]:
    """Tell all that is known of a job: who it is for, and its time line."""
    job = story.job
    yield Text(f"job {job.job_id}: {job.state}", style="bold")
    yield Text(f"  correlation id {job.correlation_id}")
    yield Text(f"  from           {job.application}, {job.method} {job.route}")
    yield Text(f"  webhook        {story.callback_url or job.callback_host}  (endpoint {job.endpoint})")
    yield Text(f"  accepted       {stamp(job.created_at)}  ({when(job.created_at, now)})")
    yield Text(f"  deadline       {stamp(job.deadline_at)}  ({when(job.deadline_at, now)})")
    yield Text("  time line")
    yield from (_event(event, job.created_at, now) for event in story.events)


def endpoint_table(views: Iterable[EndpointView], now: datetime) -> Table:
    """Show one line an endpoint."""
    table = _table(ENDPOINT_COLUMNS, folded={"endpoint", "why"})
    for view in views:
        named = f"{view.endpoint} ({view.name})" if view.name else view.endpoint
        why = "" if view.state == "closed" else endpoint_line(view, now)
        cells = named, view.state, count(view.waiting), count(view.retrying), when(view.oldest_due, now), why
        table.add_row(*map(Text, cells))
    return table


def count(number: int) -> str:
    """Say a number that is counted up to a bound."""
    return f"{number}+" if number >= CAPPED else str(number)


def _event(event: StoryEvent, since: datetime, now: datetime) -> Text:
    if event.at is None:
        at = ""
    elif event.at > now:
        at = when(event.at, now)
    else:
        at = f"+{(event.at - since).total_seconds():.3f} s"
    took = "" if event.seconds is None else f" ({event.seconds:.3g} s)"
    reason = f" [{event.reason}]" if event.reason else ""
    status = f" {event.status}" if event.status and str(event.status) not in event.text else ""
    return Text(f"  {at:>12}  {SIGNS[event.mood]} {event.text}{status}{reason}{took}", style=STYLES[event.mood])


def _table(columns: Iterable[str], *, folded: set[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=name not in folded, overflow="fold")
    return table
