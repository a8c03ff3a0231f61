"""Retries as people and programs read them: pure functions from what the ledger tells to text, never bodies.

Of a ``callback-url`` only the host is shown, in full at most its path: a query may hold what the webhook trusts.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from rich.table import Table
from rich.text import Text

from sidecar.ledger.operator import RetryCount
from sidecar.model.job import JobView
from sidecar.model.outcome import MessageKind
from sidecar.model.retry import EndpointState, RetryAttempt, RetryState, RetryView
from sidecar.settings.units import render_duration

COLUMNS = ("job", "service", "state", "why", "retries", "next or end", "endpoint", "correlation id")
WAITS = {
    "being_sent": "it is being sent right now",
    "circuit_open": "its endpoint is away; somebody probes it from time to time",
    "endpoint_paused": "its endpoint asked for a pause",
    "backoff": "its time has not come",
    "turn": "nothing but its turn",
}


def retry_table(rows: Iterable[RetryView], now: datetime) -> Table:
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


def retry_json(row: RetryView, *, full: bool = False) -> str:
    """Write one retry as a line of JSON; times are ISO 8601."""
    fields: dict[str, Any] = {name: getattr(row, name) for name in RetryView.__slots__ if name != "callback_url"}
    fields["callback_host"] = callback_host(row.callback_url)
    if full:
        fields["callback_url"] = without_query(row.callback_url)
    return orjson.dumps(fields).decode()


def retry_lines(row: RetryView, *, now: datetime, away: EndpointState | None, full: bool) -> Iterator[str]:
    """Tell all that is known of one message."""
    webhook = without_query(row.callback_url) if full else callback_host(row.callback_url)
    yield f"job {row.job_id}, {f'service {row.service}' if row.service else 'the aggregate of all services'}"
    yield f"  route          {row.route}"
    yield f"  correlation id {row.correlation_id}"
    yield f"  message        {row.kind}, {row.status}; webhook-id {row.message_id}"
    yield f"  webhook        {webhook}  (endpoint {row.endpoint})"
    yield f"  state          {row.state}{f': {row.reason}' if row.reason else ''}"
    yield from _waiting(row, now, away)
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


def job_lines(job: JobView) -> Iterator[str]:
    """Tell why there is no retry: what is known of the messages of a job."""
    yield f"of job {job.job_id} no such message waits, has failed or was sent again; its messages:"
    for one in job.deliveries:
        said = f" ({answer(one.status_code, one.reason)})" if one.status_code or one.reason else ""
        yield f"  {one.service or 'all'}  {one.state}, {one.attempts} attempts{said}"
    if not job.deliveries:
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


def callback_host(url: str) -> str:
    """Tell the host of a callback-url, and its port where it is written."""
    return urlsplit(url).netloc


def without_query(url: str) -> str:
    """Tell a callback-url, without what a query may hold."""
    address, mark, _ = url.partition("?")
    return address + ("?(not shown)" if mark else "")


def stamp(instant: datetime) -> str:
    """Write an instant to the second."""
    return instant.isoformat(timespec="seconds")


def _waiting(row: RetryView, now: datetime, away: EndpointState | None) -> Iterator[str]:
    if row.state is not RetryState.PENDING:
        return
    why = row.waits_for or ""
    yield f"  waits          {WAITS.get(why, f'a fault of ours put it off: {why}')}"
    if away is not None:
        probing = "is being probed now" if away.probing else f"next in {roughly(max(away.remaining, 0.0))}"
        yield f"  endpoint       {away.state} since {stamp(away.opened_at)} ({away.reason}), {probing}"
    yield from _dated("next attempt", row.next_attempt_at, now)


def _dated(name: str, instant: datetime | None, now: datetime) -> Iterator[str]:
    if instant is not None:
        yield f"  {name:<14} {stamp(instant)}  ({when(instant, now)})"


def _attempt(one: RetryAttempt) -> str:
    took = "" if one.seconds is None else f", {one.seconds:.3g} s"
    return f"    {stamp(one.at)}  {answer(one.status, one.reason)}{took}"


def _body(row: RetryView) -> str:
    if row.kind == MessageKind.AGGREGATE:
        return "put together from the results at each attempt"
    if row.object_key is None:
        return "in Postgres"
    stored = f", {row.content_coding} {row.stored_size} bytes" if row.content_coding else ""
    return f"s3://{row.bucket}/{row.object_key}, {row.size} bytes{stored}, sha256 {row.sha256}"
