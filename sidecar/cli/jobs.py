"""``sidecar jobs``: see where jobs are, and erase what they hold, at somebody's wish."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from sidecar.cli.database import ledger_config
from sidecar.cli.job_views import list_, show, tail
from sidecar.cli.operator import PATIENCE, ConfigFile, somebody, telling_of_outages
from sidecar.cli.retry_filters import MaybeJob, Yes
from sidecar.keeping import object_places
from sidecar.ledger.operator import OperatorLedger, operator_ledger
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.seen_jobs import JobFilter
from sidecar.offload.errors import OffloadError
from sidecar.offload.store import ObjectStore
from sidecar.operate.erase import Eraser, NotErasedError
from sidecar.operate.local import EndpointNames, LocalOperator
from sidecar.settings.load import load_settings
from sidecar.settings.root import Settings

EVER = datetime(2000, 1, 1, tzinfo=UTC)

CorrelationId = Annotated[
    str | None, typer.Option(help="Erase all jobs of this x-correlation-id, in place of a single one.")
]
Cancel = Annotated[bool, typer.Option("--cancel", help="Give up what still runs; else it is refused.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell which jobs it is about.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    jobs = typer.Typer(no_args_is_help=True)
    for command in (list_, show, tail, erase):
        jobs.command(command.__name__.rstrip("_"))(telling_of_outages(command))
    app.add_typer(jobs, name="jobs", help="Jobs, whole: list them, tell their story, erase what they hold.")


def erase(
    job: MaybeJob = None,
    *,
    correlation_id: CorrelationId = None,
    cancel: Cancel = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: ConfigFile = None,
) -> None:
    """Erase what a job holds: bodies, headers, addresses, retries, and every version of its objects.

    Its ids, states and times stay, and so does the note in the audit that it was erased. What was interrupted is
    finished by the same command.
    """
    if (job is None) == (correlation_id is None):
        raise typer.BadParameter("name one job, or give --correlation-id")
    jobs = [job] if job is not None else asyncio.run(_found(config, correlation_id or ""))
    if not jobs:
        print("sidecar: no job has this correlation id", file=sys.stderr)
        raise typer.Exit(1)
    if dry_run or job is None:
        print(f"{_jobs(len(jobs))} to erase:", *jobs, sep="\n  ")
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase for good?", abort=True)
    raise typer.Exit(asyncio.run(_erase(config, jobs, cancel=cancel)))


@dataclass(slots=True)
class _Tally:
    erased: int = 0
    before: int = 0
    bodies: int = 0
    versions: int = 0
    failed: int = 0


async def _erase(config: Path | None, jobs: Sequence[UUID], *, cancel: bool) -> int:
    settings, tally = load_settings(config), _Tally()
    async with _open(settings) as ledger, _store(settings) as store:
        places = object_places(settings, settings.offload) if settings.offload is not None else []
        eraser = Eraser(ledger.erase, ledger.audit, store=store, places=places, by=somebody())
        for job_id in jobs:
            try:
                erased = await eraser.erase(job_id, cancel=cancel)
            except (NotErasedError, OffloadError, LedgerUnavailable) as error:
                tally.failed += 1
                again = "" if isinstance(error, NotErasedError) else "; run the same command again to finish it"
                print(f"sidecar: {job_id}: {error}{again}", file=sys.stderr)
                continue
            tally.erased += not erased.before
            tally.before += erased.before
            tally.bodies += erased.bodies
            tally.versions += erased.versions
    print(
        f"{_jobs(tally.erased)} erased; bodies in the database: {tally.bodies}, in the object store: {tally.versions}"
    )
    if tally.before:
        print(f"{_jobs(tally.before)} had been erased before")
    return 1 if tally.failed else 0


async def _found(config: Path | None, correlation_id: str) -> list[UUID]:
    settings = load_settings(config)
    found: list[UUID] = []
    async with _open(settings) as ledger:
        names = EndpointNames(settings.webhook)
        operator = LocalOperator(ledger, by=somebody(), names=names, retention=settings.retention.jobs)
        cursor = None
        while True:
            which = JobFilter(correlation_id=correlation_id, since=EVER)
            page = await operator.jobs(which, cursor=cursor)
            found += [job.job_id for job in page.jobs]
            cursor = page.cursor
            if cursor is None:
                return found


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[OperatorLedger]:
    async with operator_ledger(ledger_config(settings.database, patience=PATIENCE)) as ledger:
        yield ledger


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[ObjectStore | None]:
    if not settings.stores_objects or settings.offload is None:
        yield None
        return
    store = ObjectStore(settings.offload)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
