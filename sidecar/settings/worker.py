"""A worker process: how it shows that it lives, and how it stops."""

from typing import Annotated

from sidecar.settings.section import Section
from sidecar.settings.units import SECOND, Duration, lasting

_LOOKS = 30  # a death is seen no later than a fifteenth of dead_after after it is one
_BEATS = 5  # three beats may be lost, and one beat may take its whole time-out, before dead_after has passed


class WorkerSettings(Section):
    """A worker process."""

    dead_after: Annotated[Duration, lasting("500ms", "10m")] = 15 * SECOND
    """How long a worker may be silent before the others take its work over, a duration."""
    drain_timeout: Annotated[Duration, lasting("0s", "1h")] = 30 * SECOND
    """How long a stopping worker finishes what it has begun, a duration."""

    @property
    def beat_interval(self) -> float:
        """Seconds between two beats."""
        return self.dead_after / _BEATS

    @property
    def watch_interval(self) -> float:
        """Seconds between two looks at the beats of the others."""
        return self.dead_after / _LOOKS

    @property
    def beat_timeout(self) -> float:
        """Seconds that one beat may take."""
        return self.dead_after / _BEATS
