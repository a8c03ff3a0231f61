"""Plain counters of what the ledger did, for metrics and for the benchmark."""

from collections import Counter
from dataclasses import dataclass, field

from sidecar.model.outcome import OutcomeKind


@dataclass(slots=True)
class LedgerStats:
    """Monotonic counts: statements by query, batches and rows by kind, outcomes, connections by their fate."""

    statements: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OutcomeKind, 0)))
    ends: Counter[str] = field(default_factory=Counter)  # of messages: delivered, silent (again), failed
    rejected: Counter[str] = field(default_factory=Counter)  # rows that failed alone, by kind
    conflicts: int = 0  # batches that were repeated after a deadlock
    connects: int = 0
    losses: int = 0  # connections that ended under us
    handover_faults: int = 0

    def ended(self, state: str) -> None:
        """Count what an attempt at a message came to: the state of its delivery or of its retry."""
        self.ends[_ENDS.get(state, state)] += 1


_ENDS = {"retrying": "silent", "pending": "silent"}
