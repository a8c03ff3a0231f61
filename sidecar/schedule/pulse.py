"""Note what this worker did, for the charts of operators."""

from typing import Protocol


class Notes(Protocol):
    """Where it is noted."""

    async def add(self) -> None:
        """Note what was done since the last time."""


class Pulse:
    """Note once."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def run_once(self) -> bool:
        """Note; there is never more at once."""
        await self._notes.add()
        return False
