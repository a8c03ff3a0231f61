"""A token bucket: a rate with bursts of one second's worth."""

from collections.abc import Callable


class TokenBucket:
    """Let ``rate`` takings a second pass; one second's worth, and at least one, can be taken at once.

    Args:
        rate: Takings a second, more than 0.
        clock: Seconds that only grow.
    """

    __slots__ = ("_clock", "_filled_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, *, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._most = self._left = max(1.0, rate)
        self._clock = clock
        self._filled_at = clock()

    def take(self) -> bool:
        """Take one; False when there is none left."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
