"""What the admin API offers: one operation each, with what it takes, what it answers and who may ask."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from sidecar.model.audit import AuditRecord
from sidecar.model.errors import ProblemError
from sidecar.model.overview import Overview
from sidecar.model.problems import Problem
from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.model.seen_endpoints import EndpointList, EndpointView
from sidecar.model.seen_jobs import JobList, MessageFacts
from sidecar.model.seen_retries import LedgerList, RetryCount
from sidecar.model.story import JobStory
from sidecar.operate.ports import Operator
from sidecar.web.api import requests as ask
from sidecar.web.tokens import OPERATOR

VIEWER = "viewer"
FORBIDDEN = Problem(403, "forbidden", "This needs a token with the role operator.")
NO_JOB = Problem(404, "job_unknown", "There is no such job; jobs go with their day, after retention.jobs.")
TOO_WIDE = Problem(400, "body_invalid", "which: choose by something, such as a job, an endpoint or since.")
NOT_AGAIN = Problem(400, "body_invalid", "which.state: only what failed or is pending can be redriven.")


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's time: filters and due times are by that clock."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The messages of one job."""

    deliveries: tuple[MessageFacts, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages match, by endpoint and state, most first."""

    counts: tuple[RetryCount, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to. ``which`` is what it was about, with an ``until``: repeat it with that.

    Of a dry run, ``count`` is how many it would take; else how many it took. ``more`` says that there may be more.
    """

    dry_run: bool
    count: int
    more: bool
    counts: tuple[RetryCount, ...]
    which: RedriveFilter


@dataclass(frozen=True, slots=True)
class Resumed:
    """Whether anything had kept messages from the endpoint."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class AuditList:
    """Some records of the audit, newest first; ``cursor`` continues, null is the end."""

    records: tuple[AuditRecord, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was understood. ``query`` and ``body`` are of the operation's models."""

    operator: Operator
    role: str
    path: tuple[str, ...]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    method: str
    path: str  # below /api/v1, with names in braces
    summary: str
    answers: type
    act: Callable[[Call], Awaitable[object]]
    query: type[BaseModel] = ask.Nothing
    body: type[BaseModel] | None = None
    role: str = VIEWER


async def _clock(call: Call) -> Clock:
    return Clock(await call.operator.now())


async def _overview(call: Call) -> Overview:
    return await call.operator.overview()


async def _jobs(call: Call) -> JobList:
    query: ask.JobsQuery = call.query
    return await call.operator.jobs(query.chosen(), cursor=query.cursor, limit=query.limit)


async def _job(call: Call) -> JobStory:
    query: ask.StoryQuery = call.query
    return await _story(call, full=_full(call, query.full))


async def _deliveries(call: Call) -> Deliveries:
    return Deliveries((await _story(call, full=False)).messages)


async def _story(call: Call, *, full: bool) -> JobStory:
    try:
        job_id = UUID(call.path[0])
    except ValueError:
        raise ProblemError(NO_JOB) from None
    story = await call.operator.story(job_id, full=full)
    if story is None:
        raise ProblemError(NO_JOB)
    return story


async def _retries(call: Call) -> LedgerList:
    query: ask.RetriesQuery = call.query
    full = _full(call, query.full)
    return await call.operator.retries(query.chosen(), cursor=query.cursor, limit=query.limit, full=full)


async def _count(call: Call) -> Counts:
    query: ask.Choice = call.query
    return Counts(tuple(await call.operator.count(query.chosen())))


async def _redrive(call: Call) -> Changed:
    body: ask.RedriveBody = call.body
    if body.which.state in {RetryState.DELIVERED, RetryState.CANCELLED}:
        raise ProblemError(NOT_AGAIN)
    which = await _bounded(call, body)
    if body.dry_run:
        return _dry(which, [replace(one, count=one.redrivable) for one in await call.operator.count(which)], body.limit)
    count = await call.operator.redrive(which, new_id=body.new_id, limit=body.limit)
    return Changed(dry_run=False, count=count, more=count == body.limit, counts=(), which=_told(which))


async def _cancel(call: Call) -> Changed:
    body: ask.CancelBody = call.body
    which = await _bounded(call, body)
    if body.dry_run:
        counts = [one for one in await call.operator.count(which) if one.state == RetryState.PENDING]
        return _dry(which, counts, body.limit)
    count = await call.operator.cancel(which, limit=body.limit)
    return Changed(dry_run=False, count=count, more=count == body.limit, counts=(), which=_told(which))


async def _bounded(call: Call, body: ask.Change) -> RedriveFilter:
    """Choose what a change is about: never everything, and nothing that fails again while it is repeated."""
    which = body.which.chosen()
    if which == RedriveFilter():
        raise ProblemError(TOO_WIDE)
    return which if which.job_id is not None or which.until else replace(which, until=await call.operator.now())


def _told(which: RedriveFilter) -> RedriveFilter:
    """Name an aggregate as people do."""
    return replace(which, service=ask.AGGREGATE) if which.service == "" else which


def _dry(which: RedriveFilter, counts: Sequence[RetryCount], limit: int) -> Changed:
    taken = tuple(one for one in counts if one.count)
    total = sum(one.count for one in taken)
    return Changed(dry_run=True, count=total, more=total > limit, counts=taken, which=_told(which))


async def _endpoints(call: Call) -> EndpointList:
    query: ask.EndpointsQuery = call.query
    if query.endpoint is not None:
        return EndpointList((await call.operator.endpoint(query.endpoint),), None)
    return await call.operator.endpoints(cursor=query.cursor, limit=query.limit)


async def _pause(call: Call) -> EndpointView:
    body: ask.PauseBody = call.body
    return await call.operator.pause(body.endpoint, reason=body.reason, seconds=body.seconds)


async def _resume(call: Call) -> Resumed:
    body: ask.ResumeBody = call.body
    return Resumed(await call.operator.resume(body.endpoint))


async def _audit(call: Call) -> AuditList:
    query: ask.AuditQuery = call.query
    records, cursor = await call.operator.audit(query.chosen(), cursor=query.cursor, limit=query.limit)
    return AuditList(tuple(records), cursor)


def _full(call: Call, wanted: str) -> bool:
    if wanted == "true" and call.role != OPERATOR:
        raise ProblemError(FORBIDDEN)
    return wanted == "true"


OPERATIONS: tuple[Operation, ...] = (
    Operation("clock", "GET", "/clock", "Tell the database's time.", Clock, _clock),
    Operation("overview", "GET", "/overview", "Count what is under way and waits.", Overview, _overview),
    Operation("listJobs", "GET", "/jobs", "List jobs, newest first.", JobList, _jobs, query=ask.JobsQuery),
    Operation("getJob", "GET", "/jobs/{job_id}", "Tell the story of a job.", JobStory, _job, query=ask.StoryQuery),
    Operation("listDeliveries", "GET", "/jobs/{job_id}/deliveries", "List a job's messages.", Deliveries, _deliveries),
    Operation("listRetries", "GET", "/retries", "List the ledger.", LedgerList, _retries, query=ask.RetriesQuery),
    Operation("countRetries", "GET", "/retries/count", "Count messages.", Counts, _count, query=ask.Choice),
    Operation(
        "redrive",
        "POST",
        "/retries/redrive",
        "Send messages again, at once.",
        Changed,
        _redrive,
        body=ask.RedriveBody,
        role=OPERATOR,
    ),
    Operation(
        "cancel", "POST", "/retries/cancel", "Give messages up.", Changed, _cancel, body=ask.CancelBody, role=OPERATOR
    ),
    Operation(
        "listEndpoints", "GET", "/endpoints", "List endpoints.", EndpointList, _endpoints, query=ask.EndpointsQuery
    ),
    Operation(
        "pause",
        "POST",
        "/endpoints/pause",
        "Hold an endpoint.",
        EndpointView,
        _pause,
        body=ask.PauseBody,
        role=OPERATOR,
    ),
    Operation(
        "resume",
        "POST",
        "/endpoints/resume",
        "Resume an endpoint.",
        Resumed,
        _resume,
        body=ask.ResumeBody,
        role=OPERATOR,
    ),
    Operation("listAudit", "GET", "/audit", "List who changed what.", AuditList, _audit, query=ask.AuditQuery),
)
