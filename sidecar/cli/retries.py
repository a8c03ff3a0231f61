"""``sidecar retries``: see what waits for its webhook or failed, send it again, or give it up."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import wraps
from typing import Annotated, ParamSpec
from uuid import UUID

import typer
from rich.console import Console

from sidecar.cli import retry_filters as given
from sidecar.cli.database import ledger_config
from sidecar.cli.options import ConfigFile
from sidecar.cli.retry_changes import PATIENCE, cancelling, redriving, run_change
from sidecar.cli.retry_filters import Which
from sidecar.cli.retry_text import job_lines, retry_json, retry_lines, retry_table
from sidecar.ledger.operator import OperatorLedger, operator_ledger
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.retry import RedriveFilter, RetryState, RetryView
from sidecar.settings.load import load_settings
from sidecar.settings.root import Settings

PAGE = 500
PIPE_WIDTH = 240  # characters: nobody wants lines folded in a file

P = ParamSpec("P")
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    retries = typer.Typer(no_args_is_help=True)
    for command in (list_, show, redrive, cancel):
        retries.command(command.__name__.rstrip("_"))(telling_of_outages(command))
    app.add_typer(retries, name="retries", help="Messages that wait for their webhook or failed: see, redrive, cancel.")


def telling_of_outages(command: Callable[P, None]) -> Callable[P, None]:
    """Say what helps when the database is away, and exit with 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LedgerUnavailable as error:
            print(f"sidecar: {error}; look at it with: sidecar config check --online", file=sys.stderr)
            raise typer.Exit(1) from None

    return run


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
) -> None:
    """List messages that wait for another attempt or failed, newest job first.

    Those are also the ones that failed at once, without a retry.
    """
    which = Which(None, service, state, endpoint, route, correlation_id, reason, since, until)
    settings = load_settings(config)
    asyncio.run(_list(which, settings, limit=limit, json=json))


async def _list(which: Which, settings: Settings, *, limit: int, json: bool) -> None:
    async with operator_ledger(ledger_config(settings.database, patience=PATIENCE)) as ledger:
        found: list[RetryView] = []
        more = False
        async for row in _rows(ledger, which.at(ledger.now(), settings), page=min(limit + 1, PAGE)):
            if more := len(found) == limit:
                break
            if json:
                print(retry_json(row))
            found.append(row)
        if not json and found:
            screen = Console()
            Console(width=None if screen.is_terminal else PIPE_WIDTH).print(retry_table(found, ledger.now()))
    if not found:
        print("sidecar: nothing matches", file=sys.stderr)
    if more:
        print(f"sidecar: there are more than {limit}; give a larger --limit, or another filter", file=sys.stderr)


async def _rows(ledger: OperatorLedger, which: RedriveFilter, *, page: int) -> AsyncIterator[RetryView]:
    cursor: str | None = None
    while True:
        found = await ledger.redrive.retries(which, cursor=cursor, limit=page)
        for row in found.rows:
            yield row
        cursor = found.cursor
        if cursor is None:
            return


def show(
    job: given.Job,
    service: given.Service = None,
    full: Annotated[
        bool, typer.Option("--full", help="Show the callback-url with its path; never what follows '?'.")
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell all about the retries of a job: why each waits or failed, and every attempt. Exit 1 when there is none."""
    settings = load_settings(config)
    if not asyncio.run(_show(Which(job, service), settings, full=full, json=json)):
        raise typer.Exit(1)


async def _show(which: Which, settings: Settings, *, full: bool, json: bool) -> bool:
    async with operator_ledger(ledger_config(settings.database, patience=PATIENCE)) as ledger:
        found = False
        async for row in _rows(ledger, which.at(ledger.now(), settings), page=PAGE):
            found = True
            if json:
                print(retry_json(row, full=full))
                continue
            away = await ledger.away(row.endpoint) if row.state is RetryState.PENDING else None
            print(*retry_lines(row, now=ledger.now(), away=away, full=full), sep="\n")
        if not found and which.job is not None:
            await _explain(ledger, which.job)
        return found


async def _explain(ledger: OperatorLedger, job_id: UUID) -> None:
    job = await ledger.job(job_id)
    gone = f"sidecar: there is no job {job_id}; jobs go with their day, after retention.jobs"
    print(*([gone] if job is None else job_lines(job)), sep="\n", file=sys.stderr)


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
) -> None:
    """Send messages again, at once: one job's, or all that the options choose.

    It takes those that failed, and in place of their next attempt those that wait. Each begins a sequence of its own
    with its whole time; the history stays.
    """
    if state in {RetryState.DELIVERED, RetryState.CANCELLED}:
        raise typer.BadParameter("only what failed or is pending can be redriven", param_hint="--state")
    which = Which(job, service or of_service, state, endpoint, route, correlation_id, reason, since, until)
    _narrowed(which, "all that failed: --state failed")
    settings = load_settings(config)
    raise typer.Exit(run_change(redriving(settings, new_id=new_id), which, settings, dry_run=dry_run, yes=yes))


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
) -> None:
    """Give up messages that wait: one job's, or all that the options choose.

    An attempt that is under way ends as it may, and nothing follows it.
    """
    state = None if unsent or job is not None else RetryState.PENDING
    which = Which(job, service or of_service, state, endpoint, route, correlation_id, reason, since, until)
    _narrowed(replace(which, state=None), "all that wait: --since 24h")
    settings = load_settings(config)
    raise typer.Exit(run_change(cancelling(), which, settings, dry_run=dry_run, yes=yes))


def _narrowed(which: Which, everything: str) -> None:
    if which.everything:
        raise typer.BadParameter(f"name a job, or choose by an option such as --endpoint or --since 2h; {everything}")
