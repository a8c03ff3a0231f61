"""Drop bodies that nobody needs any more: requests that every service has, results that were delivered long ago."""

from collections.abc import Awaitable, Callable

from sidecar.ledger import Swept
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Drop:
    """Look once through a bounded number of jobs.

    Args:
        sweep: One look of the ledger.
        what: What is dropped, for the log.
        log: Told of what was dropped.
    """

    def __init__(self, sweep: Callable[[], Awaitable[Swept]], *, what: str, log: EventLog) -> None:
        self._sweep = sweep
        self._what = what
        self._log = log

    async def run_once(self) -> bool:
        """Drop what is over; true when there may be more."""
        swept = await self._sweep()
        if swept.dropped:
            self._log.info(Event.BODIES_DROPPED, what=self._what, bodies=swept.dropped)
        return swept.more
