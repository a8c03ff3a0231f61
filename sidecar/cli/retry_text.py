"""Retries as people and programs read them: pure functions from what the ledger tells to text, never bodies."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime

import orjson
from rich.table import Table
from rich.text import Text

from sidecar.model.outcome import MessageKind
from sidecar.model.reasons import OwnReason
from sidecar.model.retry import RetryAttempt, RetryState
from sidecar.model.seen_endpoints import EndpointView
from sidecar.model.seen_retries import LedgerRow, RetryCount
from sidecar.model.story import JobStory
from sidecar.settings.units import render_duration

COLUMNS = ("job", "service", "state", "why", "retries", "next or end", "endpoint", "correlation id")
WAITS = {
    "being_sent": "it is being sent right now",
    "endpoint_held": "an operator holds its endpoint",
    "circuit_open": "its endpoint is away; somebody probes it from time to time",
    "endpoint_paused": "its endpoint asked for a pause",
    "backoff": "its time has not come",
    "turn": "nothing but its turn",
    OwnReason.CONNECTIONS_BUSY: "all connections to its host were in use (webhook.concurrency)",
    OwnReason.RESOLVER_AWAY: "the sidecar can resolve no names, its own neither",
    OwnReason.KEY_MANAGER_AWAY: "its service user gets no token; the log says why (credentials.unavailable)",
    OwnReason.KEY_MANAGER_REFUSES: "the key manager refuses its service user (see credentials.unavailable in the log)",
    OwnReason.RENEWING: "its service user is about to get another token",
    OwnReason.UNREADABLE: "a secret of its service user cannot be read (see credentials.unavailable in the log)",
}


def retry_table(rows: Iterable[LedgerRow], now: datetime) -> Table:
    """Show one line a retry."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, no_wrap=name not in {"endpoint", "correlation id"}, overflow="fold")
    for row in rows:
        cells = (
            str(row.job_id),
            row.service or "all",
            row.state,
            row.waits_for or row.reason or "",
            str(row.retry_count),
            when(row.next_attempt_at or row.finished_at, now),
            row.endpoint,
            row.correlation_id,
        )
        table.add_row(*map(Text, cells))
    return table


def retry_json(row: LedgerRow) -> str:
    """Write one retry as a line of JSON; times are ISO 8601."""
    hidden = {"callback_url"} if row.callback_url is None else set()
    return orjson.dumps({one.name: getattr(row, one.name) for one in fields(row) if one.name not in hidden}).decode()


def retry_lines(row: LedgerRow, *, now: datetime, endpoint: EndpointView | None) -> Iterator[str]:
    """Tell all that is known of one message."""
    yield f"job {row.job_id}, {f'service {row.service}' if row.service else 'the aggregate of all services'}"
    yield f"  route          {row.route}"
    yield f"  correlation id {row.correlation_id}"
    yield f"  message        {row.kind}, {row.status}; webhook-id {row.message_id}"
    yield f"  webhook        {row.callback_url or row.callback_host}  (endpoint {row.endpoint})"
    yield f"  state          {row.state}{f': {row.reason}' if row.reason else ''}"
    yield from _waiting(row, now, endpoint)
    redriven = f", redriven {'once' if row.redrives == 1 else f'{row.redrives} times'}" if row.redrives else ""
    yield f"  attempts       {row.attempts} in all, {row.retry_count} retries in this sequence{redriven}"
    if row.last_reason or row.last_status:
        yield f"  last attempt   {answer(row.last_status, row.last_reason)}"
    yield from _dated("first failed", row.first_failed_at, now)
    yield from _dated("ended", row.finished_at, now)
    yield f"  body           {_body(row)}"
    if row.history:
        yield "  history"
        yield from map(_attempt, row.history)


def job_lines(story: JobStory) -> Iterator[str]:
    """Tell why there is no retry: what is known of the messages of a job."""
    yield f"of job {story.job.job_id} no such message waits, has failed or was sent again; its messages:"
    for one in story.messages:
        said = f" ({answer(one.last_status, one.last_reason)})" if one.last_status or one.last_reason else ""
        yield f"  {one.service or 'all'}  {one.state}, {one.attempts} attempts{said}"
    if not story.messages:
        yield "  none has been made yet"


def count_lines(counts: Iterable[RetryCount], most: int = 10) -> Iterator[str]:
    """Tell what a command is about, by endpoint and state, the largest first."""
    rows = list(counts)
    for row in rows[:most]:
        yield f"  {row.count:>7}  {row.state:<9}  {row.endpoint}"
    if rows[most:]:
        yield f"  {sum(row.count for row in rows[most:]):>7}  at {len(rows) - most} more"


def when(instant: datetime | None, now: datetime) -> str:
    """Say how far an instant is from now, roughly."""
    if instant is None:
        return ""
    seconds = (instant - now).total_seconds()
    return f"in {roughly(seconds)}" if seconds > 0 else f"{roughly(-seconds)} ago"


def roughly(seconds: float) -> str:
    """Say a duration in one unit, or two: nobody needs the seconds of hours."""
    unit = next((unit for least, unit in ((172_800, 3600), (3600, 60)) if seconds >= least), 1)
    return render_duration(float(int(seconds) // unit * unit))


def answer(status: int | None, reason: str | None) -> str:
    """Say what came of an attempt."""
    words = [] if status is None else [f"answered {status}"]
    if reason:
        words.append(reason)
    return ", ".join(words) or "delivered"


def stamp(instant: datetime) -> str:
    """Write an instant to the second."""
    return instant.isoformat(timespec="seconds")


def endpoint_line(view: EndpointView, now: datetime) -> str:
    """Say why nothing is sent to an endpoint, and until when."""
    if view.state == "held":
        until = f", until {stamp(view.held_until)}" if view.held_until else ", until somebody resumes it"
        since = "" if view.held_at is None else f" since {stamp(view.held_at)}"
        return f"held{since} by {view.held_by} ({view.reason}){until}"
    left = 0.0 if view.open_until is None else max((view.open_until - now).total_seconds(), 0.0)
    probing = "is being probed now" if view.probing else f"next in {roughly(left)}"
    since = "" if view.opened_at is None else f" since {stamp(view.opened_at)}"
    return f"{view.state}{since} ({view.reason}), {probing}"


def _waiting(row: LedgerRow, now: datetime, endpoint: EndpointView | None) -> Iterator[str]:
    if row.state is not RetryState.PENDING:
        return
    why = row.waits_for or ""
    yield f"  waits          {WAITS.get(why, f'a fault of ours put it off: {why}')}"
    if endpoint is not None and endpoint.state != "closed":
        yield f"  endpoint       {endpoint_line(endpoint, now)}"
    yield from _dated("next attempt", row.next_attempt_at, now)


def _dated(name: str, instant: datetime | None, now: datetime) -> Iterator[str]:
    if instant is not None:
        yield f"  {name:<14} {stamp(instant)}  ({when(instant, now)})"


def _attempt(one: RetryAttempt) -> str:
    took = "" if one.seconds is None else f", {one.seconds:.3g} s"
    return f"    {stamp(one.at)}  {answer(one.status, one.reason)}{took}"


def _body(row: LedgerRow) -> str:
    if row.kind == MessageKind.AGGREGATE:
        return "put together from the results at each attempt"
    if row.object_key is None:
        over = row.state in {RetryState.DELIVERED, RetryState.CANCELLED}
        return "in Postgres, until retention.bodies is over" if over else "in Postgres"
    stored = f", {row.content_coding} {row.stored_size} bytes" if row.content_coding else ""
    return f"s3://{row.bucket}/{row.object_key}, {row.size} bytes{stored}, sha256 {row.sha256}"
