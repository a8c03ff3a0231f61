"""The command line."""

import argparse
from pathlib import Path

from benchmarks.kit.site import CONCURRENCY

PENDING = (10_000, 1_000_000, 5_000_000)


def read_options(arguments: list[str], sections: tuple[str, ...], usual: tuple[str, ...]) -> argparse.Namespace:
    """Read the command line.

    Args:
        arguments: What was given.
        sections: All sections that there are.
        usual: Those that are measured when none is named.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and show the tables.")
    add = parser.add_argument

    def section(name: str) -> str:  # with "choices" Python 3.11 refuses a list that is empty
        if name not in sections:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(sections)}")
        return name

    add("sections", nargs="*", type=section, metavar="SECTION", help=f"what to measure; none: {', '.join(usual)}")
    add("--rounds", type=int, default=6, help="how often relay and sidecar are measured in turn")
    add("--seconds", type=float, default=3.0, help="length of a measured window")
    add("--warmup", type=float, default=1.0, help="seconds of load before each window")
    add("--clients", type=int, nargs="+", default=[1, 8, 32], help=f"numbers of callers at once, up to {CONCURRENCY}")
    add("--size", type=int, default=1024, help="bytes of each body")
    add("--rss-jobs", type=int, default=200_000, help="jobs of the run that watches memory; 0: none")
    add("--large-rounds", type=int, default=3, help="rounds of the large result")
    add("--dead-rounds", type=int, default=5, help="rounds of a webhook that comes back, beside dead ones")
    add("--pending", type=int, nargs="+", default=PENDING, help="numbers of pending retries, growing")
    add("--minutes", type=float, default=10.0, help="length of the soak")
    add("--rate", type=float, default=200.0, help="jobs a second of the soak")
    add("--json", type=Path, metavar="FILE", help="write everything measured to FILE")
    add("--markdown", type=Path, metavar="FILE", help="write the tables to FILE, as docs/benchmarks.md has them")
    add("--picture", type=Path, metavar="FILE", help="draw everything measured to FILE, an SVG")
    add("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)
