"""What one body holds of a budget that bodies share."""

from sidecar.kit.budget import ByteBudget
from sidecar.model.errors import ProblemError
from sidecar.model.problems import Problem

NO_ROOM = Problem(503, "overloaded", "Too many bytes are under way; repeat in a second.", {"retry-after": "1"})


class Share:
    """Grows as pieces come, and is given back at once.

    Args:
        budget: What it is a share of.
    """

    __slots__ = ("_budget", "size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    def take(self, size: int) -> None:
        """Hold ``size`` more bytes; beyond the whole budget, where nobody else holds any of it.

        Raises:
            ProblemError: 503 ``overloaded``.
        """
        if not self._budget.take(size):
            if self._budget.held != self.size:
                raise ProblemError(NO_ROOM)
            self._budget.give(self.size)
            self._budget.take(self.size + size)
        self.size += size

    def release(self) -> None:
        """Hold nothing."""
        size, self.size = self.size, 0
        self._budget.give(size)
