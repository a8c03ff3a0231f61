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
from pathlib import Path

from rich.console import Console

from benchmarks.rows import Row, all_hold, rows
from benchmarks.runs import Plan, Runner
from benchmarks.site import describe_machine, open_site
from benchmarks.summary import Result
from benchmarks.table import Progressing, show
from sidecar.dev.postgres import EmbeddedPostgres

WIDTH = 132
"""Columns of the table where there is no terminal."""


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often relay and sidecar are measured in turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measured window")
    parser.add_argument("--warmup", type=float, default=0.75, help="seconds of load before each window")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="numbers of callers at once")
    parser.add_argument("--size", type=int, default=1024, help="bytes of each body")
    parser.add_argument("--rss-jobs", type=int, default=200_000, help="jobs of the run that watches memory; 0: none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to FILE")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)


async def measure(server: EmbeddedPostgres, directory: Path, options: argparse.Namespace, console: Console) -> Result:
    """Run everything that was asked for."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    plan = Plan(options.rounds, options.seconds, options.warmup, options.clients, options.rss_jobs)
    with Progressing(console) as progress:
        progress.tell("starting relay, sidecar and load generator", 0.0)
        async with open_site(server, directory, size=options.size) as site:
            machine = describe_machine(await site.readings.standing())
            runner = Runner(site, plan, progress.tell)
            return Result(machine, await runner.windows(), await runner.memory())


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
        with scratch() as directory, EmbeddedPostgres(directory / "postgres") as server:
            result = asyncio.run(measure(server, directory, options, console))
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
