"""``python -m benchmarks``: measure, show the table; exit 0 when it was measured, with ``--strict`` 1 on a miss."""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.claims import measure_claims
from benchmarks.draining import measure_draining
from benchmarks.filling import standing_of
from benchmarks.large import measure_large
from benchmarks.rows import Row, all_hold, rows
from benchmarks.runs import Plan, Runner, Tell
from benchmarks.site import describe_machine, open_site
from benchmarks.summary import Memory, Result, Window
from benchmarks.table import Progressing, show
from benchmarks.telling import cost_of_telling
from sidecar.dev.postgres import EmbeddedPostgres

SECTIONS = ("flow", "large", "retries")
"""Small jobs beside a relay; one large result; due retries by the million, and webhooks that come back."""

ROOM = {"max_wal_size": "16GB"}
"""Settings of a Postgres that is filled quickly: no checkpoint comes in between."""

WIDTH = 132
"""Columns of the table where there is no terminal."""


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=SECTIONS, help="what to measure; none: everything")
    parser.add_argument("--rounds", type=int, default=6, help="how often relay and sidecar are measured in turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measured window")
    parser.add_argument("--warmup", type=float, default=0.75, help="seconds of load before each window")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="numbers of callers at once")
    parser.add_argument("--size", type=int, default=1024, help="bytes of each body")
    parser.add_argument("--rss-jobs", type=int, default=200_000, help="jobs of the run that watches memory; 0: none")
    parser.add_argument("--large-rounds", type=int, default=3, help="rounds of the large result, and of dead endpoints")
    pending = [10_000, 1_000_000, 5_000_000]
    parser.add_argument("--pending", type=int, nargs="+", default=pending, help="numbers of pending retries, growing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to FILE")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)


async def measure_flow(
    server: EmbeddedPostgres, directory: Path, options: argparse.Namespace, tell: Tell
) -> tuple[tuple[Window, ...], Memory | None]:
    """Measure small jobs, beside a relay."""
    plan = Plan(options.rounds, options.seconds, options.warmup, options.clients, options.rss_jobs)
    tell("starting relay, sidecar and load generator", 0.0)
    async with open_site(server, directory, size=options.size) as site:
        runner = Runner(site, plan, tell)
        return await runner.windows(), await runner.memory()


async def measure(directory: Path, options: argparse.Namespace, console: Console) -> Result:
    """Run everything that was asked for, each section on a Postgres of its own."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sections, rounds = options.sections or SECTIONS, options.large_rounds
    result = Result({})
    with Progressing(console) as progress:
        for section in sections:
            progress.tell(f"{section}: starting Postgres", 0.0)
            settings = ROOM if section == "retries" else {}
            with EmbeddedPostgres(directory / f"postgres-{section}", settings=settings) as server:
                result = replace(result, machine=describe_machine(await standing_of(server)))
                if section == "flow":
                    windows, memory = await measure_flow(server, directory, options, progress.tell)
                    result = replace(result, windows=windows, memory=memory, telling=await cost_of_telling())
                    continue
                if section == "large":
                    found = await measure_large(server, directory, rounds, progress.tell)
                else:
                    found = await measure_draining(server, directory, rounds, progress.tell)
                    found = (*await measure_claims(server, options.pending, progress.tell), *found)
                result = replace(result, figures=(*result.figures, *found))
    return result


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory that the database's user can enter, and remove it at the end."""
    path = Path(tempfile.mkdtemp(prefix="sidecar-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, result: Result, table: list[Row]) -> None:
    """Write everything down for other programs."""
    told = [{"name": row.name, "values": row.values, "target": row.target, "holds": row.holds} for row in table]
    path.write_text(json.dumps({**dataclasses.asdict(result), "table": told}, indent=1) + "\n")


def main() -> int:
    """Measure and show."""
    options = read_options(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        with scratch() as directory:
            result = asyncio.run(measure(directory, options, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped")
        return 130
    table = rows(result)
    show(console, result, table)
    if options.json is not None:
        write_json(options.json, result, table)
    return int(options.strict and not all_hold(table))


if __name__ == "__main__":
    sys.exit(main())
