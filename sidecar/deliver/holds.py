"""Hold a job's messages until its caller was answered, so that no result overtakes the 202."""

from collections.abc import Callable
from uuid import UUID

from sidecar.model.delivery import Delivery


class Holds:
    """Best effort, in this process only: another replica cannot know when the answer was written.

    Args:
        release: Called with each held delivery when its job is opened.
    """

    def __init__(self, release: Callable[[Delivery], None]) -> None:
        self._release = release
        self._held: dict[UUID, list[Delivery]] = {}

    def hold(self, job_id: UUID) -> None:
        """Begin to hold the messages of a job."""
        self._held[job_id] = []

    def keep(self, delivery: Delivery) -> bool:
        """Keep a delivery back if its job is held; tell whether it was."""
        held = self._held.get(delivery.job_id)
        if held is None:
            return False
        held.append(delivery)
        return True

    def open(self, job_id: UUID) -> None:
        """Let the messages of a job go; nothing happens when it is not held."""
        for delivery in self._held.pop(job_id, ()):
            self._release(delivery)
