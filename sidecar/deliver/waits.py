"""Endpoints for which nothing is begun now, for a reason of ours: in this process only, and for as long as it lasts."""

import time
from collections.abc import Callable

from sidecar.deliver.decide import PutOff
from sidecar.deliver.exchange import Users
from sidecar.model.reasons import OwnReason


class Waits:
    """What was put off stays where it is: a message that is claimed only to be put off again costs two writes.

    Args:
        users: As whom messages are sent.
        clock: Steady seconds.
    """

    def __init__(self, users: Users, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._users = users
        self._clock = clock
        self._without: set[str] = set()  # their service user has no credentials
        self._until: dict[str, float] = {}  # their names cannot be resolved

    def put_off(self, endpoint: str, put_off: PutOff) -> None:
        """Heed that a message was put off."""
        if self._users.blocked(endpoint):
            self._without.add(endpoint)
        elif put_off.reason is OwnReason.RESOLVER_AWAY:
            self._until[endpoint] = self._clock() + put_off.delay

    def holds(self, endpoint: str) -> bool:
        """Tell whether nothing may be claimed for an endpoint now."""
        return self._users.blocked(endpoint) or (bool(self._until) and endpoint in self._resolving())

    def names(self) -> list[str]:
        """Name the endpoints whose new messages are to wait in the ledger."""
        if self._without:
            self._without = {endpoint for endpoint in self._without if self._users.blocked(endpoint)}
        return [*self._without, *(self._resolving() if self._until else ())]

    def _resolving(self) -> dict[str, float]:
        now = self._clock()
        self._until = {endpoint: until for endpoint, until in self._until.items() if now < until}
        return self._until
