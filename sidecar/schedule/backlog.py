"""Read what waits in the ledger, for metrics."""

from collections.abc import Sequence
from math import nan
from typing import Protocol

from sidecar.ledger.backlog import DUE_STATES, STATES, Waiting


class Ledger(Protocol):
    """What the duty needs of the ledger."""

    async def read(self) -> Sequence[Waiting]:
        """Count what waits."""


class Backlog:
    """What was read last. While it is not known it is not a number, so that no alert takes an old one for true."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.rows: dict[str, float] = {}
        self.due: dict[str, float] = {}
        self.oldest: dict[str, float] = {}
        self._unknown()

    async def run_once(self) -> bool:
        """Read once; there is never more at once."""
        try:
            states = await self._ledger.read()
        except Exception:
            self._unknown()
            raise
        for waiting in states:
            self.rows[waiting.state] = waiting.rows
            if waiting.state in self.due:
                self.due[waiting.state], self.oldest[waiting.state] = waiting.due, waiting.oldest
        return False

    def _unknown(self) -> None:
        self.rows = dict.fromkeys(STATES, nan)
        self.due, self.oldest = dict.fromkeys(DUE_STATES, nan), dict.fromkeys(DUE_STATES, nan)
