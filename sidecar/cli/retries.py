"""``sidecar retries``: see what waits for its webhook or failed, send it again, or give it up."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from sidecar.cli import retry_filters as given
from sidecar.cli.operator import Api, ConfigFile, Full, Json, TokenFile, Way, open_operator, telling_of_outages
from sidecar.cli.retry_changes import cancelling, redriving, run_change
from sidecar.cli.retry_filters import Which
from sidecar.cli.retry_text import job_lines, retry_json, retry_lines, retry_table
from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.model.seen_retries import LedgerRow
from sidecar.operate.ports import Operator

PAGE = 500
PIPE_WIDTH = 240  # characters: nobody wants lines folded in a file


def register(app: typer.Typer) -> None:
    """Add the command."""
    retries = typer.Typer(no_args_is_help=True)
    for command in (list_, show, redrive, cancel):
        retries.command(command.__name__.rstrip("_"))(telling_of_outages(command))
    app.add_typer(retries, name="retries", help="Messages that wait for their webhook or failed: see, redrive, cancel.")


def list_(
    *,
    state: given.State = None,
    endpoint: given.Endpoint = None,
    route: given.Route = None,
    service: given.OfService = None,
    correlation_id: given.CorrelationId = None,
    reason: given.Reason = None,
    since: given.Since = None,
    until: given.Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """List messages that wait for another attempt or failed, newest job first.

    Those are also the ones that failed at once, without a retry.
    """
    which = Which(None, service, state, endpoint, route, correlation_id, reason, since, until)
    asyncio.run(_list(which, Way(config, api, token_file), limit=limit, json=json))


async def _list(which: Which, way: Way, *, limit: int, json: bool) -> None:
    async with open_operator(way) as operator:
        now = await operator.now()
        found: list[LedgerRow] = []
        more = False
        async for row in _rows(operator, which.at(now), page=min(limit + 1, PAGE)):
            if more := len(found) == limit:
                break
            if json:
                print(retry_json(row))
            found.append(row)
        if not json and found:
            screen = Console()
            Console(width=None if screen.is_terminal else PIPE_WIDTH).print(retry_table(found, now))
    if not found:
        print("sidecar: nothing matches", file=sys.stderr)
    if more:
        print(f"sidecar: there are more than {limit}; give a larger --limit, or another filter", file=sys.stderr)


async def _rows(operator: Operator, which: RedriveFilter, *, page: int, full: bool = False) -> AsyncIterator[LedgerRow]:
    cursor: str | None = None
    while True:
        found = await operator.retries(which, cursor=cursor, limit=page, full=full)
        for row in found.retries:
            yield row
        cursor = found.cursor
        if cursor is None:
            return


def show(  # noqa: PLR0917 - typer takes the names
    job: given.Job,
    service: given.Service = None,
    full: Full = False,
    json: Json = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Tell all about the retries of a job: why each waits or failed, and every attempt. Exit 1 when there is none."""
    if not asyncio.run(_show(Which(job, service), Way(config, api, token_file), full=full, json=json)):
        raise typer.Exit(1)


async def _show(which: Which, way: Way, *, full: bool, json: bool) -> bool:
    async with open_operator(way) as operator:
        now = await operator.now()
        found = False
        async for row in _rows(operator, which.at(now), page=PAGE, full=full):
            found = True
            if json:
                print(retry_json(row))
                continue
            endpoint = await operator.endpoint(row.endpoint) if row.state is RetryState.PENDING else None
            print(*retry_lines(row, now=now, endpoint=endpoint), sep="\n")
        if not found and which.job is not None:
            await _explain(operator, which.job)
        return found


async def _explain(operator: Operator, job_id: UUID) -> None:
    story = await operator.story(job_id)
    gone = f"sidecar: there is no job {job_id}; jobs go with their day, after retention.jobs"
    print(*([gone] if story is None else job_lines(story)), sep="\n", file=sys.stderr)


def redrive(
    *,
    job: given.MaybeJob = None,
    service: given.Service = None,
    state: given.State = None,
    endpoint: given.Endpoint = None,
    route: given.Route = None,
    of_service: given.OfService = None,
    correlation_id: given.CorrelationId = None,
    reason: given.Reason = None,
    since: given.Since = None,
    until: given.Until = None,
    new_id: Annotated[
        bool, typer.Option("--new-id", help="Another webhook-id, so that receivers do not drop it as a repetition.")
    ] = False,
    dry_run: given.DryRun = False,
    yes: given.Yes = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Send messages again, at once: one job's, or all that the options choose.

    It takes those that failed, and in place of their next attempt those that wait. Each begins a sequence of its own
    with its whole time; the history stays.
    """
    if state in {RetryState.DELIVERED, RetryState.CANCELLED}:
        raise typer.BadParameter("only what failed or is pending can be redriven", param_hint="--state")
    which = Which(job, service or of_service, state, endpoint, route, correlation_id, reason, since, until)
    _narrowed(which, "all that failed: --state failed")
    raise typer.Exit(
        run_change(redriving(new_id=new_id), which, Way(config, api, token_file), dry_run=dry_run, yes=yes)
    )


def cancel(
    *,
    job: given.MaybeJob = None,
    service: given.Service = None,
    endpoint: given.Endpoint = None,
    route: given.Route = None,
    of_service: given.OfService = None,
    correlation_id: given.CorrelationId = None,
    reason: given.Reason = None,
    since: given.Since = None,
    until: given.Until = None,
    unsent: Annotated[
        bool, typer.Option("--unsent", help="Also messages whose first attempt has not ended; no list has them.")
    ] = False,
    dry_run: given.DryRun = False,
    yes: given.Yes = False,
    config: ConfigFile = None,
    api: Api = None,
    token_file: TokenFile = None,
) -> None:
    """Give up messages that wait: one job's, or all that the options choose.

    An attempt that is under way ends as it may, and nothing follows it.
    """
    state = None if unsent or job is not None else RetryState.PENDING
    which = Which(job, service or of_service, state, endpoint, route, correlation_id, reason, since, until)
    _narrowed(replace(which, state=None), "all that wait: --since 24h")
    raise typer.Exit(run_change(cancelling(), which, Way(config, api, token_file), dry_run=dry_run, yes=yes))


def _narrowed(which: Which, everything: str) -> None:
    if which.everything:
        raise typer.BadParameter(f"name a job, or choose by an option such as --endpoint or --since 2h; {everything}")
