"""Keep up with which endpoints are away, and end what waited for one of them for longer than its budget."""

from collections.abc import Sequence
from typing import Protocol

from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Health(Protocol):
    """This replica's view of the endpoints."""

    async def refresh(self) -> frozenset[str]:
        """Learn what the replicas know; return the endpoints that are away."""


class Waiting(Protocol):
    """Where messages for endpoints that are away wait in memory."""

    async def give_back_away(self) -> None:
        """Release them; begin what waited for endpoints that are there again."""


class Retries(Protocol):
    """The ledger of retries."""

    async def unreachable(self, endpoints: Sequence[str], *, budget: float, limit: int = 500) -> int:
        """End what is past its budget and waits for an endpoint whose circuit is open."""


class Endpoints:
    """Refresh once. Nothing is written for the rows that wait.

    Args:
        health: What is kept up.
        waiting: Whose memory is cleared.
        retries: Where the hopeless end.
        budget: Seconds that a message may wait for an endpoint.
        log: Told of what ended.
    """

    def __init__(self, health: Health, waiting: Waiting, retries: Retries, *, budget: float, log: EventLog) -> None:
        self._health = health
        self._waiting = waiting
        self._retries = retries
        self._budget = budget
        self._log = log

    async def run_once(self) -> bool:
        """Refresh, let go, end; true when there may be more to end."""
        away = sorted(await self._health.refresh())
        await self._waiting.give_back_away()
        if not away:
            return False
        ended = await self._retries.unreachable(away, budget=self._budget)
        if ended:
            self._log.warning(Event.ENDPOINT_UNREACHABLE, messages=ended)
        return ended > 0
