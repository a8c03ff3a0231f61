"""The pages that act: redrive and cancel, counted before and asked about; pause and resume."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.operate.ports import STEP
from sidecar.settings.units import parse_duration
from sidecar.web.console.pages import ROWS, SPANS
from sidecar.web.console.visit import GoTo, Page, Visit, job_of, words

NAMES = ("state", "endpoint", "route", "service", "correlation_id", "reason", "since", "job")
AGGREGATE = "all"
ACTIONS = ("redrive", "cancel")
PATIENCE = 8.0  # seconds that one confirmation works on; then the page asks whether to go on
PAUSES = {"": "until resumed", "15m": "for 15 minutes", "1h": "for an hour", "4h": "for 4 hours", "24h": "for a day"}
TOO_WIDE = Problem(400, "body_invalid", "Choose by something first: an endpoint, a state, a reason, a time.")
UNKNOWN = Problem(400, "body_invalid", "There is no such action.")
NO_REASON = Problem(400, "body_invalid", "Say why, for the others who operate this.")


async def retries(visit: Visit) -> Page:
    """List the ledger of retries."""
    asked = words(visit.query, *NAMES, "cursor", "done", "count", "left")
    which = chosen(visit, asked)
    found = await visit.operator.retries(which, cursor=asked["cursor"] or None, limit=ROWS)
    narrowed = which != RedriveFilter()
    context: Mapping[str, Any] = {"asked": asked, "states": list(RetryState), "spans": {"": "any time", **SPANS}}
    return Page("retries.html", {**context, "found": found, "narrowed": narrowed})


async def confirm(visit: Visit) -> Page:
    """Count what a change would take, and ask."""
    visit.acting()
    asked = words(visit.form, *NAMES)
    action = _action(visit)
    which = _narrowed(visit, asked)
    counts = await visit.operator.count(which)
    if action == "cancel":
        taken = [one for one in counts if one.state == RetryState.PENDING]
    else:
        taken = [replace(one, count=one.redrivable) for one in counts if one.redrivable]
    until = visit.now.isoformat()
    total = sum(one.count for one in taken)
    return Page("confirm.html", {"action": action, "asked": asked, "counts": taken, "total": total, "until": until})


async def apply(visit: Visit) -> GoTo:
    """Do it, in steps; what fails again meanwhile is not taken a second time."""
    visit.acting()
    asked = words(visit.form, *NAMES, "until", "new_id")
    action = _action(visit)
    which = _narrowed(visit, asked)
    if which.job_id is None:
        which = replace(which, until=_until(asked["until"], visit.now))
    begun, done, more = time.monotonic(), 0, True
    while more and time.monotonic() - begun < PATIENCE:
        if action == "redrive":
            taken = await visit.operator.redrive(which, new_id=asked["new_id"] == "yes")
        else:
            taken = await visit.operator.cancel(which)
        done, more = done + taken, taken == STEP
    told = {"done": action, "count": str(done), "left": "yes" if more else ""}
    if which.job_id is not None:
        return GoTo(f"/jobs/{which.job_id}", told)
    return GoTo("/retries", {**{name: asked[name] for name in NAMES if name != "state"}, **told})


async def pause(visit: Visit) -> GoTo:
    """Hold an endpoint."""
    visit.acting()
    asked = words(visit.form, "endpoint", "reason", "for")
    if not asked["reason"] or not asked["endpoint"]:
        raise ProblemError(NO_REASON)
    seconds = parse_duration(asked["for"]) if asked["for"] in PAUSES and asked["for"] else None
    await visit.operator.pause(asked["endpoint"], reason=asked["reason"], seconds=seconds)
    return GoTo("/endpoints", {"done": "paused", "endpoint": asked["endpoint"]})


async def resume(visit: Visit) -> GoTo:
    """Let messages go to an endpoint again."""
    visit.acting()
    asked = words(visit.form, "endpoint")
    resumed = await visit.operator.resume(asked["endpoint"])
    return GoTo("/endpoints", {"done": "resumed" if resumed else "unchanged", "endpoint": asked["endpoint"]})


def chosen(visit: Visit, asked: Mapping[str, str]) -> RedriveFilter:
    """Build the filter that a form or a query asks for."""
    service = asked["service"]
    return RedriveFilter(
        job_id=job_of(asked["job"]),
        service=("" if service == AGGREGATE else service) if service else None,
        correlation_id=asked["correlation_id"] or None,
        route=asked["route"] or None,
        endpoint=asked["endpoint"] or None,
        reason=asked["reason"] or None,
        state=asked["state"] if asked["state"] in set(RetryState) else None,
        since=visit.since(asked["since"]),
    )


def _narrowed(visit: Visit, asked: Mapping[str, str]) -> RedriveFilter:
    which = chosen(visit, asked)
    if which == RedriveFilter() or (asked["job"] and which.job_id is None):
        raise ProblemError(TOO_WIDE)
    return which


def _action(visit: Visit) -> str:
    action = visit.form.get("action", "")
    if action not in ACTIONS:
        raise ProblemError(UNKNOWN)
    return action


def _until(text: str, now: datetime) -> datetime:
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return now
    return min(until, now) if until.tzinfo is not None else now
