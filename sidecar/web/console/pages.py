"""The pages that look: overview, jobs, a job, endpoints, the audit."""

from sidecar.model.audit import AuditFilter
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem
from sidecar.model.seen_jobs import JobFilter, JobProgress
from sidecar.web.console.charts import bar_chart, hour, line_chart
from sidecar.web.console.visit import GoTo, Page, Visit, job_of, words

ROWS = 50
SPANS = {"1h": "the last hour", "24h": "the last day", "3d": "the last 3 days", "14d": "the last 14 days"}
AWAY = ("held", "open", "paused")
NO_JOB = Problem(404, "job_unknown", "There is no such job; jobs go with their day, after retention.jobs.")


async def overview(visit: Visit) -> Page:
    """Tell whether all is well, and draw the last hour."""
    seen = await visit.operator.overview()
    listed = (await visit.operator.endpoints(limit=200)).endpoints
    minutes = hour(seen.minutes, seen.now)
    charts = (
        bar_chart(
            "Jobs and messages a minute",
            minutes,
            [("Jobs accepted", "b", lambda one: one.accepted)],
            line=("Messages delivered", "a", lambda one: one.delivered),
        ),
        bar_chart(
            "Trouble a minute",
            minutes,
            [("Attempts that failed", "c", lambda one: one.silent), ("Given up", "d", lambda one: one.failed)],
        ),
        line_chart(
            "Messages that wait",
            minutes,
            [("Again", "c", lambda one: one.retrying), ("First try", "a", lambda one: one.waiting)],
        ),
    )
    away = [one for one in listed if one.state in AWAY]
    return Page("overview.html", {"seen": seen, "charts": charts, "away": away[:10], "away_count": len(away)})


async def find(visit: Visit) -> GoTo:
    """Go to the job that somebody knows the id of, or to those of a correlation id."""
    asked = words(visit.query, "q")["q"]
    if job := job_of(asked):
        return GoTo(f"/jobs/{job}")
    return GoTo("/jobs", {"correlation_id": asked, "since": "14d"} if asked else {})


async def jobs(visit: Visit) -> Page:
    """List jobs."""
    asked = words(visit.query, "correlation_id", "route", "application", "state", "since", "cursor")
    state = JobProgress(asked["state"]) if asked["state"] in set(JobProgress) else None
    which = JobFilter(
        correlation_id=asked["correlation_id"] or None,
        route=asked["route"] or None,
        application=asked["application"] or None,
        state=state,
        since=visit.since(asked["since"] or "24h"),
    )
    found = await visit.operator.jobs(which, cursor=asked["cursor"] or None, limit=ROWS)
    return Page("jobs.html", {"found": found, "asked": asked, "states": list(JobProgress), "spans": SPANS})


async def job(visit: Visit) -> Page:
    """Tell the story of a job."""
    asked = job_of(visit.rest[0]) if len(visit.rest) == 1 else None
    story = None if asked is None else await visit.operator.story(asked, full=visit.may_act)
    if story is None:
        raise ProblemError(NO_JOB)
    return Page("job.html", {"story": story, "kept": {row.service: row for row in story.retries}})


async def endpoints(visit: Visit) -> Page:
    """List endpoints."""
    asked = words(visit.query, "cursor", "done", "endpoint")
    found = await visit.operator.endpoints(cursor=asked["cursor"] or None, limit=ROWS)
    return Page("endpoints.html", {"found": found, "asked": asked})


async def audit(visit: Visit) -> Page:
    """List who changed what."""
    asked = words(visit.query, "actor", "action", "target", "cursor")
    which = AuditFilter(asked["actor"] or None, asked["action"] or None, asked["target"] or None)
    records, cursor = await visit.operator.audit(which, cursor=asked["cursor"] or None, limit=ROWS)
    return Page("audit.html", {"records": records, "cursor": cursor, "asked": asked})
