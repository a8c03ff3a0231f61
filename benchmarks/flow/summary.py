"""What was measured, and what follows from it: medians and ratios. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

SETTLED = 0.2
"""The part of a long run after which memory should have settled."""


@dataclass(frozen=True, slots=True)
class Written:
    """What went to Postgres for so many jobs, from before the load until after it, so that nothing is cut in two.

    ``statements`` are those that jobs cause; ``duties`` are those that a sidecar without jobs issues too. ``wal`` is
    in bytes.
    """

    jobs: int = 0
    statements: float = 0.0
    duties: float = 0.0
    wal: int = 0

    def __sub__(self, other: "Written") -> "Written":
        return Written(
            self.jobs - other.jobs,
            self.statements - other.statements,
            self.duties - other.duties,
            self.wal - other.wal,
        )

    @property
    def per_job_statements(self) -> float:
        """Statements of one job, on average."""
        return self.statements / self.jobs if self.jobs else 0.0

    @property
    def per_job_wal(self) -> float:
        """Bytes of write-ahead log of one job, on average."""
        return self.wal / self.jobs if self.jobs else 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """One measured stretch of load. Times in seconds, sizes in bytes.

    ``load`` names the column that it belongs to, the number of clients for example. ``others`` is the part of the
    machine's CPU time, from 0 to 1, that went to programs which are not of this run.
    """

    target: str
    load: str
    seconds: float
    completed: int
    cpu: float
    accept_p50: float
    accept_p95: float
    accept_p99: float
    job_p50: float
    job_p95: float
    job_p99: float
    refused: int = 0
    wrong: int = 0
    missing: int = 0
    unexpected: int = 0
    rss: int = 0
    postgres_cpu: float = 0.0
    others: float = 0.0
    written: Written = field(default_factory=Written)

    def per_job(self, value: float) -> float:
        """Divide by the completed jobs."""
        return value / self.completed if self.completed else 0.0

    @property
    def faults(self) -> int:
        """What did not go as it should: refusals, and messages that were wrong, missing or not expected."""
        return self.refused + self.wrong + self.missing + self.unexpected


@dataclass(frozen=True, slots=True)
class Memory:
    """A long run: how much memory the sidecar held after so many jobs, in order."""

    samples: tuple[tuple[int, int], ...]
    load: str
    faults: int = 0

    @property
    def growth(self) -> float:
        """Memory at the end, as a multiple of what it was once it should have settled."""
        settled = next(rss for jobs, rss in self.samples if jobs >= SETTLED * self.samples[-1][0])
        return self.samples[-1][1] / settled


def cpu_per_job(window: Window) -> float:
    """CPU time of the target for one job, in seconds."""
    return window.per_job(window.cpu)


def ratios(windows: Iterable[Window], load: str, value: Callable[[Window], float] = cpu_per_job) -> list[float]:
    """Compare a value in each pair of neighbours: the relay's window, then the sidecar's."""
    chosen = [window for window in windows if window.load == load and window.completed]
    relay = [value(window) for window in chosen if window.target == "relay"]
    sidecar = [value(window) for window in chosen if window.target == "sidecar"]
    return [mine / bare for mine, bare in zip(sidecar, relay, strict=False) if bare]


def middle(windows: Iterable[Window], *, target: str, load: str, value: Callable[[Window], float]) -> float:
    """Take the median of a value over the windows of one target under one load.

    Raises:
        statistics.StatisticsError: There is no such window.
    """
    return median(value(window) for window in windows if window.target == target and window.load == load)
