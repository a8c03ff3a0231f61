"""Whether endpoints are there: what attempts tell, and what all replicas know of it."""

from collections.abc import Collection, Sequence
from typing import Protocol

from sidecar.deliver.circuits import OPENS, Circuits, pause_after
from sidecar.model.reasons import DeliveryReason
from sidecar.model.retry import EndpointState

SLOW_DOWN = frozenset({429, 503})
"""Statuses whose Retry-After speaks for the endpoint and not for one message."""


class Endpoints(Protocol):
    """The endpoints as the ledger keeps them. Times are seconds."""

    async def away(self) -> Sequence[EndpointState]:
        """Tell the endpoints that are open, paused or held."""

    async def open(self, endpoint: str, *, seconds: float, reason: str) -> int | None:
        """Open a circuit, or keep it open after a failed probe."""

    async def pause(self, endpoint: str, *, seconds: float, reason: str) -> bool:
        """Pause an endpoint that asked for it."""

    async def probe(self, endpoint: str, *, seconds: float) -> bool:
        """Lease the one probe of an open endpoint."""

    async def close(self, endpoint: str) -> bool:
        """Close a circuit."""


class EndpointHealth:
    """Heed what attempts tell, and share it by the ledger; nothing is written while nothing changes.

    Args:
        endpoints: The ledger's side.
        full_speed: Attempts at once to a healthy endpoint.
        probe_lease: Seconds that one probe may take before another replica may try.
    """

    def __init__(self, endpoints: Endpoints, *, full_speed: int, probe_lease: float) -> None:
        self._endpoints = endpoints
        self._probe_lease = probe_lease
        self._states: dict[str, EndpointState] = {}
        self._paused: set[str] = set()  # of those that are away: nothing is learnt from attempts that were under way
        self.circuits = Circuits(full_speed)

    @property
    def states(self) -> Collection[EndpointState]:
        """What the replicas knew of the endpoints that are away, at the last look."""
        return self._states.values()

    async def refresh(self) -> frozenset[str]:
        """Learn what the replicas know; return the endpoints that nothing is to be sent to."""
        states = await self._endpoints.away()
        self._states = {state.endpoint: state for state in states}
        self._paused = {state.endpoint for state in states if state.state != "open"}
        self.circuits.learn(self._states)
        return self.circuits.away

    async def places(self, endpoint: str, free: int) -> int:
        """Tell how many rows of an endpoint may be claimed: none while it is away, but for the one probe."""
        if endpoint not in self.circuits.away:
            return free
        state = self._states.get(endpoint)
        if state is None or state.state != "open" or state.remaining > 0 or state.probing:
            return 0
        if not await self._endpoints.probe(endpoint, seconds=self._probe_lease):
            return 0
        self.circuits.probe(endpoint)
        return 1

    async def silent(self, endpoint: str, reason: DeliveryReason) -> None:
        """Heed that nobody answered.

        Raises:
            LedgerError: What follows could not be shared; this replica heeds it all the same.
        """
        if reason not in OPENS and endpoint in self.circuits.away:
            await self._found(endpoint)  # a connection that was made and then broke: somebody is there
        elif self.circuits.failed(endpoint, reason):
            known = self._states.get(endpoint)
            openings = known.openings + 1 if known is not None and known.state == "open" else 1
            await self._endpoints.open(endpoint, seconds=pause_after(openings), reason=reason)

    async def answered(self, endpoint: str, status: int, *, wait: float) -> None:
        """Heed that somebody answered, and perhaps asked for ``wait`` seconds of peace.

        An answer to what was sent before the endpoint asked for peace neither ends nor renews that.

        Raises:
            LedgerError: What follows could not be shared; this replica heeds it all the same.
        """
        await self._found(endpoint)
        if wait > 0 and status in SLOW_DOWN and self.circuits.pause(endpoint):
            self._paused.add(endpoint)
            await self._endpoints.pause(endpoint, seconds=wait, reason=f"retry_after_{status}")

    async def _found(self, endpoint: str) -> None:
        if endpoint not in self._paused and self.circuits.answered(endpoint):
            await self._endpoints.close(endpoint)
