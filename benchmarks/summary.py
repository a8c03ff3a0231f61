"""What was measured, and what follows from it: percentiles, medians, ratios. Pure."""

from collections.abc import Callable, Iterable, Sequence
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

    ``others`` is the part of the machine's CPU time, from 0 to 1, that went to programs which are not of this run.
    """

    target: str
    clients: int
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
    clients: int
    faults: int = 0

    @property
    def growth(self) -> float:
        """Memory at the end, as a multiple of what it was once it should have settled."""
        settled = next(rss for jobs, rss in self.samples if jobs >= SETTLED * self.samples[-1][0])
        return self.samples[-1][1] / settled


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one run, and how it is written. ``most`` and ``least`` are its target, if it has one."""

    name: str
    value: float
    form: str
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target holds, of the number as it is shown to two digits; None without one."""
        if self.most is None and self.least is None:
            return None
        shown = round(self.value, 2)
        return (self.most is None or shown <= self.most) and (self.least is None or shown >= self.least)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was measured."""

    machine: dict[str, str]
    windows: tuple[Window, ...] = ()
    memory: Memory | None = None
    figures: tuple[Figure, ...] = ()
    telling: float | None = None  # CPU seconds that the log and the metrics of one job take


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values; 0 when there are none."""
    if not ordered:
        return 0.0
    rank = -(-percent * len(ordered) // 100)
    return ordered[max(0, int(rank) - 1)]


def ratios(windows: Iterable[Window], clients: int) -> list[float]:
    """Compare CPU per job in each pair of neighbours: the relay's window, then the sidecar's."""
    chosen = [window for window in windows if window.clients == clients and window.completed]
    relay = [window.cpu / window.completed for window in chosen if window.target == "relay"]
    sidecar = [window.cpu / window.completed for window in chosen if window.target == "sidecar"]
    return [mine / bare for mine, bare in zip(sidecar, relay, strict=False) if bare]


def middle(windows: Iterable[Window], *, target: str, clients: int, value: Callable[[Window], float]) -> float:
    """Take the median of a value over the windows of one target and one number of clients.

    Raises:
        statistics.StatisticsError: There is no such window.
    """
    return median(value(window) for window in windows if window.target == target and window.clients == clients)
