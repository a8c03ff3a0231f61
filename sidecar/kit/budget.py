"""A bound on bytes in memory."""


class ByteBudget:
    """Count what is held against a limit. One item larger than the limit is let in when nothing else is held.

    Args:
        limit: Most bytes at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    def take(self, size: int) -> bool:
        """Hold ``size`` more bytes; false, and nothing is held, when they do not fit."""
        if self._held and self._held + size > self._limit:
            return False
        self._held += size
        return True

    def give(self, size: int) -> None:
        """Let go of ``size`` bytes."""
        self._held -= size
