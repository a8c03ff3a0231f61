"""Redriving and cancelling, in bounded steps: what is asked before, told meanwhile and said afterwards."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import typer
from rich.console import Console
from rich.progress import Progress

from sidecar.cli.operator import Way, open_operator
from sidecar.cli.retry_filters import Which
from sidecar.cli.retry_text import count_lines
from sidecar.model.errors import SidecarError
from sidecar.model.retry import RedriveFilter, RetryState
from sidecar.model.seen_retries import RetryCount
from sidecar.operate.ports import STEP, Operator

INTERRUPTED = 130
LEFT_OUT = "is being sent, its body is gone, or its job is removed within a day"


@dataclass(frozen=True, slots=True)
class Change:
    """What a command does to messages. ``step`` takes a filter and how many at most, and tells how many it took."""

    verb: str
    done: str
    step: Callable[[Operator, RedriveFilter, int], Awaitable[int]]
    takes: Callable[[RetryCount], int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ledger answered before anything was changed."""

    which: RedriveFilter
    counts: tuple[RetryCount, ...]
    expected: int


@dataclass(slots=True)
class Tally:
    """How many messages were changed so far."""

    done: int = field(default=0)


def run_change(change: Change, which: Which, way: Way, *, dry_run: bool, yes: bool) -> int:
    """Count, ask before more than one job is changed, change; return the exit status.

    It is 1 when a job that was named has nothing to change, or when it was not done to the end.
    """
    asked = asyncio.run(_ask(change, which, way))
    if dry_run or which.job is None:
        print(f"{_messages(asked.expected)} to {change.verb}" + (", at these endpoints:" if asked.expected else ""))
        print(*count_lines(asked.counts), sep="\n", end="\n" if asked.counts else "")
    if dry_run:
        return 0
    if which.job is None and not yes:
        typer.confirm(f"{change.verb.capitalize()} them?", abort=True)
    tally = Tally()
    try:
        asyncio.run(_carry_out(change, asked, way, tally))
    except (KeyboardInterrupt, SidecarError) as error:
        print(
            f"sidecar: stopped after {_messages(tally.done)}; the same command goes on with the rest", file=sys.stderr
        )
        if isinstance(error, SidecarError):
            raise
        return INTERRUPTED
    return _tell(change, which, asked, tally.done)


def _tell(change: Change, which: Which, asked: Asked, done: int) -> int:
    print(f"{_messages(done)} {change.done}")
    if which.job is not None and not done:
        why = LEFT_OUT if asked.counts else "nothing of this job waits or has failed; look with: sidecar retries show"
        print(f"sidecar: {'each ' if asked.counts else ''}{why}", file=sys.stderr)
        return 1
    if done < asked.expected:
        print(f"{_messages(asked.expected - done)} left out: each {LEFT_OUT}")
    return 0


async def _ask(change: Change, which: Which, way: Way) -> Asked:
    async with open_operator(way) as operator:
        chosen = _chosen(which, await operator.now())
        counts = tuple(await operator.count(chosen))
    taken = tuple(replace(row, count=number) for row in counts if (number := change.takes(row)))
    return Asked(chosen, taken, sum(row.count for row in taken))


def _chosen(which: Which, now: datetime) -> RedriveFilter:
    chosen = which.at(now)
    if which.job is not None:
        return chosen
    # What fails again while this runs is not taken a second time: it would never end.
    return replace(chosen, until=min(chosen.until or now, now))


async def _carry_out(change: Change, asked: Asked, way: Way, tally: Tally) -> None:
    screen = Console(stderr=True)
    async with open_operator(way) as operator:
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
            task = progress.add_task(change.done, total=asked.expected)
            while True:
                count = await change.step(operator, asked.which, STEP)
                tally.done += count
                progress.update(task, completed=tally.done)
                if count < STEP:
                    return


def redriving(*, new_id: bool) -> Change:
    """Send again, at once, what failed or waits; ``new_id`` makes other messages of them for their receivers."""

    def step(operator: Operator, which: RedriveFilter, limit: int) -> Awaitable[int]:
        return operator.redrive(which, new_id=new_id, limit=limit)

    return Change("redrive", "redriven", step, lambda row: row.redrivable)


def cancelling() -> Change:
    """Give up what waits."""

    def step(operator: Operator, which: RedriveFilter, limit: int) -> Awaitable[int]:
        return operator.cancel(which, limit=limit)

    return Change("cancel", "cancelled", step, lambda row: row.count if row.state == RetryState.PENDING else 0)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
