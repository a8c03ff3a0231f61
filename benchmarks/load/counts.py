"""What the load generator has seen: how many, how long, and what did not go as it should."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from benchmarks.kit.figures import percentile


@dataclass(slots=True, eq=False)
class Job:
    """One job under way; instants are of the clock that all processes of a machine share, in seconds.

    ``began`` is when it should have been sent, so that a generator that falls behind shows as waiting. ``seen`` are
    the ids of the messages that came, of so many ``messages``; once ``ended``, no more are waited for.
    """

    began: float
    messages: int
    seen: set[bytes] = field(default_factory=set)
    accepted: float | None = None
    done: float | None = None
    ended: bool = False


class Counts:
    """What happened since the last look; times in seconds."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._accepts: list[float] = []
        self._jobs: list[float] = []
        self.refused = self.wrong = self.missing = self.unexpected = 0

    def accepted(self, job: Job) -> None:
        """Count an answer 202."""
        job.accepted = monotonic()
        self._accepts.append(job.accepted - job.began)

    def completed(self, job: Job) -> None:
        """Count a job whose messages are all there."""
        job.done = monotonic()
        self._jobs.append(job.done - job.began)

    def report(self) -> dict[str, Any]:
        """Sum up."""
        return {
            "seconds": monotonic() - self._began,
            "completed": len(self._jobs),
            **_percentiles("accept", self._accepts),
            **_percentiles("job", self._jobs),
            "refused": self.refused,
            "wrong": self.wrong,
            "missing": self.missing,
            "unexpected": self.unexpected,
        }


def _percentiles(name: str, times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"{name}_p{percent}": percentile(ordered, percent) for percent in (50, 95, 99)}
