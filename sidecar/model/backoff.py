"""When a failed message is sent again: a pure function of how often it failed."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The retry sequence. All values but ``jitter`` are seconds.

    ``base`` before the first retry, doubling up to ``cap``; nothing is scheduled later than ``give_up_after`` after
    the first failure. ``jitter`` is the share of each delay that is random.
    """

    base: float = 1.0
    cap: float = 3600.0
    give_up_after: float = 43_200.0
    jitter: float = 0.0

    def delay(self, retry: int, *, random: Random | None = None) -> float:
        """Return the seconds before retry number ``retry``, counted from 1: base, 2 * base, 4 * base ... cap."""
        # Past 62 doublings any base has reached any cap; a larger exponent would only cost.
        plain = min(self.base * 2.0 ** min(retry - 1, 62), self.cap)
        if not self.jitter or random is None:
            return plain
        return plain * (1.0 - self.jitter * random.random())

    def schedule(self, *, retry: int, since_first: float, retry_after: float = 0.0) -> float | None:
        """Return the seconds until retry number ``retry``, or ``None`` when the sequence is used up.

        Args:
            retry: Number of the coming retry, counted from 1.
            since_first: Seconds since the first failure.
            retry_after: What the webhook asked for, in seconds; it moves an attempt later, beyond the budget to its
                edge, and never exhausts a sequence that would have had an attempt left.
        """
        delay = self.delay(retry)
        left = self.give_up_after - since_first
        if delay > left:
            return None
        return min(max(delay, retry_after), left)
