"""Who this process is to the ledger, what it holds, and whom committed work goes to."""

import asyncio
from collections.abc import Sequence

from sidecar.ledger.config import Handover
from sidecar.ledger.registry import Registry, Table
from sidecar.ledger.stats import LedgerStats
from sidecar.model.delivery import Delivery
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.invocation import Invocation
from sidecar.model.retry import Retry


class Ownership:
    """The current worker id, and the way of committed work into this process.

    Work enters the registry before it is handed over. Work that was committed under an id that is no longer ours is
    not taken: that worker is buried, and the sweep gives its rows to others.
    """

    __slots__ = ("_handover", "registry", "stats", "worker")

    def __init__(self, handover: Handover, stats: LedgerStats) -> None:
        self.worker = 0
        self.registry = Registry()
        self._handover = handover
        self.stats = stats

    def living(self) -> int:
        """Tell the worker id that new rows may be owned under.

        Raises:
            LedgerUnavailable: This worker was buried and has no new id yet.
        """
        if not self.worker:
            raise LedgerUnavailable("this worker has no id")
        return self.worker

    def full_endpoints(self) -> Sequence[str]:
        """Name the endpoints whose new deliveries shall wait in the ledger."""
        return self._handover.full_endpoints()

    def holding(self, work: Sequence[Invocation] | Sequence[Delivery] | Sequence[Retry], *, worker: int) -> bool:
        """Note committed work as held; False when it belongs to an id that is no longer ours."""
        if worker != self.worker:
            return False
        hold = self.registry.hold
        for item in work:
            if isinstance(item, Invocation):
                hold("invocation", item.job_id, item.call.service, item.claim)
            else:
                table: Table = "retry" if isinstance(item, Retry) else "delivery"
                hold(table, item.job_id, item.service, item.claim)
        return True

    def hand_invocations(self, work: Sequence[Invocation], *, worker: int) -> None:
        """Hand over calls that were committed as ours."""
        if work and self.holding(work, worker=worker):
            try:
                self._handover.invocations(work)
            except Exception as error:  # noqa: BLE001 - a broken taker must not stop the flusher
                for item in work:
                    self.registry.drop("invocation", item.job_id, item.call.service, item.claim)
                self._report(error)

    def hand_deliveries(self, work: Sequence[Delivery], *, worker: int) -> None:
        """Hand over messages that were committed as ours."""
        if work and self.holding(work, worker=worker):
            try:
                self._handover.deliveries(work)
            except Exception as error:  # noqa: BLE001 - a broken taker must not stop the flusher
                for item in work:
                    self.registry.drop("delivery", item.job_id, item.service, item.claim)
                self._report(error)

    def _report(self, error: Exception) -> None:
        # What was not taken is out of the registry again: reconciling finds it.
        self.stats.handover_faults += 1
        context = {"message": "handing committed work over failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
