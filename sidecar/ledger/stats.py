"""Plain counters of what the ledger did, for metrics and for the benchmark."""

from collections import Counter
from dataclasses import dataclass, field

from sidecar.model.outcome import OutcomeKind
from sidecar.telemetry.histogram import BATCH_BOUNDS, Histogram

_STATES = ("delivered", "silent", "failed", "cancelled")  # silent is tried again
_ENDS = {"retrying": "silent", "pending": "silent"}


@dataclass(slots=True)
class LedgerStats:
    """Monotonic counts: statements by query, batches and rows by kind, outcomes, connections by their fate."""

    statements: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OutcomeKind, 0)))
    ends: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_STATES, 0)))  # of messages
    rejected: Counter[str] = field(default_factory=lambda: Counter(claim=0))  # rows that failed alone, by kind
    sizes: dict[str, Histogram] = field(default_factory=dict)  # rows of each batch, by kind
    conflicts: int = 0  # batches that were repeated after a deadlock
    connects: int = 0
    losses: int = 0  # connections that ended under us
    handover_faults: int = 0
    beats_lost: int = 0  # that did not come through
    deaths: int = 0  # of this worker: others buried it
    burials: int = 0  # of others, by this worker

    def kind(self, name: str) -> Histogram:
        """Let a kind of write be known before the first one; return where the sizes of its batches go."""
        for counts in (self.batches, self.rows, self.rejected):
            counts[name] += 0
        return self.sizes.setdefault(name, Histogram(BATCH_BOUNDS))

    def ended(self, state: str) -> None:
        """Count what an attempt at a message came to: the state of its delivery or of its retry."""
        self.ends[_ENDS.get(state, state)] += 1
