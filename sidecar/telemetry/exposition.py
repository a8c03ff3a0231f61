"""Metrics as Prometheus reads them, of one process or of several."""

from typing import Protocol


class Exposition(Protocol):
    """Something that renders metrics in the Prometheus text format."""

    async def expose(self) -> bytes:
        """Render what is known now."""
