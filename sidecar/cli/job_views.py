"""``sidecar jobs list``, ``show`` and ``tail``: where a job is, and why."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from sidecar.cli import retry_filters as given
from sidecar.cli.job_text import as_json, job_table, story_lines
from sidecar.cli.operator import Api, ConfigFile, Full, Json, TokenFile, Way, open_operator
from sidecar.model.seen_jobs import JobFilter, JobProgress, JobSummary
from sidecar.operate.ports import Operator

PAGE = 200
PIPE_WIDTH = 240  # characters: nobody wants lines folded in a file
OVERLAP = timedelta(seconds=10)  # a job becomes visible a little after its time
FINISHED = frozenset({JobProgress.DONE, JobProgress.FAILED, JobProgress.REFUSED, JobProgress.CANCELLED})

State = Annotated[JobProgress | None, typer.Option(help="How far it got.")]
Application = Annotated[str | None, typer.Option(help="The caller's application.")]
Since = Annotated[
    given.Instant | None,
    typer.Option(parser=given.parse_instant, metavar="AGO|TIME", help="Accepted since then; a day ago, unless given."),
]
Until = Annotated[
    given.Instant | None,
    typer.Option(parser=given.parse_instant, metavar="AGO|TIME", help="Accepted before then."),
]


def list_(
    *,
    state: State = None,
    correlation_id: given.CorrelationId = None,
    route: given.Route = None,
    application: Application = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """List jobs, newest first, with how far they got."""
    which = JobFilter(correlation_id, route, application, state)
    asyncio.run(_list(which, (since, until), Way(config, api, token_file), limit=limit, json=json))


async def _list(
    which: JobFilter, span: tuple[given.Instant | None, given.Instant | None], way: Way, *, limit: int, json: bool
) -> None:
    async with open_operator(way) as operator:
        now = await operator.now()
        since, until = (None if instant is None else instant.at(now) for instant in span)
        found: list[JobSummary] = []
        more = False
        async for job in _jobs(operator, replace(which, since=since, until=until), page=min(limit + 1, PAGE)):
            if more := len(found) == limit:
                break
            found.append(job)
            if json:
                print(as_json(job))
        if found and not json:
            _screen().print(job_table(found, now))
    if not found:
        asked = "" if since else "; these were the jobs of a day: give --since, like --since 14d"
        print(f"sidecar: nothing matches{asked}", file=sys.stderr)
    if more:
        print(f"sidecar: there are more than {limit}; give a larger --limit, or another filter", file=sys.stderr)


async def _jobs(operator: Operator, which: JobFilter, *, page: int) -> AsyncIterator[JobSummary]:
    cursor: str | None = None
    while True:
        found = await operator.jobs(which, cursor=cursor, limit=page)
        for job in found.jobs:
            yield job
        cursor = found.cursor
        if cursor is None:
            return


def show(
    *,
    job: given.Job,
    full: Full = False,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Tell the story of a job: every call and every attempt, and what it waits for. Exit 1 when there is none."""
    if not asyncio.run(_show(job, Way(config, api, token_file), full=full, json=json)):
        print(f"sidecar: there is no job {job}; jobs go with their day, after retention.jobs", file=sys.stderr)
        raise typer.Exit(1)


async def _show(job_id: UUID, way: Way, *, full: bool, json: bool) -> bool:
    async with open_operator(way) as operator:
        story = await operator.story(job_id, full=full)
        if story is None:
            return False
        if json:
            print(as_json(story))
        else:
            screen, now = _screen(), await operator.now()
            for line in story_lines(story, now):
                screen.print(line)
        return True


def tail(
    *,
    route: given.Route = None,
    application: Application = None,
    correlation_id: given.CorrelationId = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many lines.")] = None,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Show jobs as they come, and again when their state changes. Ctrl-C ends it."""
    which = JobFilter(correlation_id, route, application)
    try:
        asyncio.run(_tail(which, Way(config, api, token_file), interval=interval, most=count, json=json))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _tail(which: JobFilter, way: Way, *, interval: float, most: int | None, json: bool) -> None:
    shown: dict[UUID, tuple[JobProgress, datetime]] = {}
    lines = 0
    async with open_operator(way) as operator:
        begun = await operator.now()
        while True:
            # What has not finished is looked at until it has, however old it gets.
            since = min([begun - OVERLAP, *(at for state, at in shown.values() if state not in FINISHED)])
            fresh = [job async for job in _jobs(operator, replace(which, since=since), page=PAGE)]
            for job in reversed(fresh):
                if shown.get(job.job_id, (None,))[0] == job.state:
                    continue
                shown[job.job_id] = (job.state, job.created_at)
                print(as_json(job) if json else _line(job), flush=True)
                lines += 1
                if lines == most:
                    return
            begun = max(begun, (await operator.now()) - OVERLAP)
            shown = {key: value for key, value in shown.items() if value[1] >= min(since, begun) - OVERLAP}
            await asyncio.sleep(interval)


def _line(job: JobSummary) -> str:
    at = job.created_at.isoformat(timespec="milliseconds")
    return f"{at}  {job.job_id}  {job.state:<10}  {job.method} {job.route}  {job.endpoint}  {job.correlation_id}"


def _screen() -> Console:
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(width=PIPE_WIDTH, highlight=False)
