"""``python -m benchmarks``: measure, show the tables; exit 0 when it was measured, with ``--strict`` 1 on a miss."""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.flow.measure import Plan as FlowPlan
from benchmarks.flow.measure import measure_flow
from benchmarks.flow.meter import Rounds, Stretch
from benchmarks.flow.offered import measure_offered
from benchmarks.flow.shapes import measure_shapes
from benchmarks.kit.database import connection, standing
from benchmarks.kit.markdown import write_markdown
from benchmarks.kit.picture import write_picture
from benchmarks.kit.report import Report, Tell
from benchmarks.kit.rows import all_hold
from benchmarks.kit.screen import Progressing, show, show_machine
from benchmarks.kit.site import describe_machine
from benchmarks.large.measure import measure_large
from benchmarks.options import read_options
from benchmarks.recovery.measure import measure_recovery
from benchmarks.retries.claims import measure_claims
from benchmarks.retries.draining import measure_draining
from benchmarks.soak.measure import Plan as SoakPlan
from benchmarks.soak.measure import measure_soak
from sidecar.dev.postgres import EmbeddedPostgres

ROOM = {"max_wal_size": "16GB"}
"""Settings of a Postgres that is filled quickly: no checkpoint comes in between."""

WIDTH = 180
"""Columns of the table where there is no terminal."""

Measure = Callable[[EmbeddedPostgres, Path, argparse.Namespace, Tell], Awaitable[Report]]

SECTIONS: Mapping[str, Measure] = {
    "flow": lambda server, place, options, tell: measure_flow(
        server,
        place,
        FlowPlan(options.rounds, _stretch(options), options.clients, options.size, options.rss_jobs),
        tell,
    ),
    "offered": lambda server, place, options, tell: measure_offered(
        server, place, Rounds(options.rounds, _stretch(options), options.size), tell
    ),
    "shapes": lambda server, place, options, tell: measure_shapes(
        server, place, Rounds(max(1, options.rounds // 2), _stretch(options), options.size), tell
    ),
    "large": lambda server, place, options, tell: measure_large(server, place, options.large_rounds, tell),
    "claims": lambda server, _, options, tell: measure_claims(server, options.pending, tell),
    "retries": lambda server, place, options, tell: measure_draining(server, place, options.dead_rounds, tell),
    "recovery": lambda server, place, _, tell: measure_recovery(server, place, tell),
    "soak": lambda server, place, options, tell: measure_soak(
        server, place, SoakPlan(options.minutes * 60, options.rate, options.size), tell
    ),
}
"""Small jobs in a closed loop beside a relay, at offered rates, and in several arrangements; one large result; claims
of due retries by the million; webhooks that come back; faults; an even load for as long as one likes."""

USUAL = tuple(name for name in SECTIONS if name != "soak")


def _stretch(options: argparse.Namespace) -> Stretch:
    return Stretch(options.warmup, options.seconds)


async def measure(directory: Path, options: argparse.Namespace, console: Console) -> dict[str, Report]:
    """Run everything that was asked for, each section on a Postgres of its own, and show each when it is done."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    reports: dict[str, Report] = {}
    machine: dict[str, str] = {}
    with Progressing(console) as progress:
        for section in options.sections or USUAL:
            progress.tell(f"{section}: starting Postgres", 0.0)
            place = directory / section
            place.mkdir(mode=0o711)
            settings = ROOM if section in {"claims", "retries"} else {}
            with EmbeddedPostgres(place / "postgres", settings=settings) as server:
                if not machine:
                    async with connection(server.superuser_dsn) as direct:
                        machine = describe_machine(await standing(direct))
                    show_machine(console, machine)
                reports[section] = await SECTIONS[section](server, place, options, progress.tell)
            show(console, reports[section])
            shutil.rmtree(place, ignore_errors=True)
    if options.json is not None:
        write_json(options.json, machine, reports)
    if options.markdown is not None:
        write_markdown(options.markdown, machine, list(reports.values()))
    if options.picture is not None:
        write_picture(options.picture, list(reports.values()))
    return reports


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory that the database's user can enter, and remove it at the end."""
    path = Path(tempfile.mkdtemp(prefix="sidecar-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, machine: Mapping[str, str], reports: Mapping[str, Report]) -> None:
    """Write everything down for other programs."""
    told = {name: _told(report) for name, report in reports.items()}
    path.write_text(json.dumps({"machine": machine, "sections": told}, indent=1, default=_plain) + "\n")


def _told(report: Report) -> dict[str, Any]:
    table = [
        {
            "name": row.name,
            "values": row.values,
            "target": row.target,
            "holds": row.holds,
        }
        for row in report.rows
    ]
    return {"title": report.title, "table": table, "measured": report.data}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def main() -> int:
    """Measure and show."""
    options = read_options(sys.argv[1:], tuple(SECTIONS), USUAL)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        with scratch() as directory:
            reports: Sequence[Report] = list(asyncio.run(measure(directory, options, console)).values())
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped")
        return 130
    return int(options.strict and not all(all_hold(report.rows) for report in reports))


if __name__ == "__main__":
    sys.exit(main())
