"""What the duties ask of the ledger."""

from collections.abc import Iterable, Mapping

from sidecar.ledger.acknowledgements import Acknowledgements
from sidecar.ledger.claims import Claims, WorkPage
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.partitions import AUDIT_KEPT, Partitions, Pruned
from sidecar.ledger.retries import Retries
from sidecar.ledger.sweeps import Held, OpenInvocation, Sweeps
from sidecar.ledger.workers import WorkerLife
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation
from sidecar.model.retry import Retry

SETTLE = 5.0  # seconds at most for acknowledgements to be stored before everything else is given back


class Duties:
    """The part of the ledger that is called time and again, and not for one job."""

    retries: Retries
    _acknowledgements: Acknowledgements
    _claims: Claims
    _life: WorkerLife
    _ownership: Ownership
    _partitions: Partitions
    _sweeps: Sweeps

    async def claim_invocations(self, free: Mapping[str, int]) -> list[Invocation]:
        """Claim due invocations: of each service key at most its free slots."""
        return await self._claims.invocations(free)

    async def claim_deliveries(self, free: Mapping[str, int]) -> list[Delivery]:
        """Claim due deliveries: of each endpoint at most its free slots."""
        return await self._claims.deliveries(free)

    async def service_keys_with_work(self, cursor: str = "") -> WorkPage:
        """Tell which services have due invocations, from ``cursor`` on."""
        return await self._claims.service_keys(cursor)

    async def endpoints_with_work(self, cursor: str = "") -> WorkPage:
        """Tell which endpoints have due deliveries, from ``cursor`` on."""
        return await self._claims.endpoints(cursor)

    async def claim_retries(self, free: Mapping[str, int]) -> list[Retry]:
        """Claim due retries: of each endpoint at most its free slots."""
        return await self.retries.claim(free)

    async def retry_endpoints_with_work(self, cursor: str = "") -> WorkPage:
        """Tell which endpoints have due retries, from ``cursor`` on."""
        return await self.retries.endpoints_with_work(cursor)

    async def take_over(self) -> int:
        """Free rows whose worker is not alive; repeat while it frees any."""
        return await self._sweeps.take_over()

    async def held_too_long(self, older_than: float) -> list[Held]:
        """Tell what the ledger says we have held for more than ``older_than`` seconds; compare with the registry."""
        return await self._sweeps.held(self._ownership.worker, older_than)

    async def give_back(self, rows: Iterable[Held]) -> int:
        """Free rows that the ledger says are ours and that nobody here holds."""
        return await self._sweeps.give_back(rows)

    async def release_all(self) -> int:
        """Free everything we own, before an orderly end."""
        await self._acknowledgements.settle(SETTLE)
        self._ownership.registry.forget_all()
        return await self._sweeps.release_all(self._ownership.worker)

    async def expired(self, limit: int = 100) -> list[OpenInvocation]:
        """Tell invocations past their deadline; record an outcome for each."""
        return await self._sweeps.expired(limit)

    async def parked_invocations(self, limit: int = 100) -> list[OpenInvocation]:
        """Tell invocations that crashed too many workers; record an outcome for each."""
        return await self._sweeps.parked(limit)

    async def beat(self) -> bool:
        """Say that we live; False when we were buried and have a new id."""
        return await self._life.beat()

    async def observe(self) -> int:
        """Look at the others' beats, bury the dead, and tell how many."""
        return await self._life.observe()

    async def ensure_partitions(self, days_ahead: int) -> int:
        """Make the partitions of the next days."""
        return await self._partitions.ensure(days_ahead)

    def days_ahead(self) -> float:
        """Tell the days for which there are partitions, the rest of today included."""
        return self._partitions.days_ahead()

    async def prune(self, retention: float, *, audit: float = AUDIT_KEPT) -> Pruned:
        """Remove what is older than ``retention`` seconds and over, and operators' actions after ``audit`` seconds."""
        return await self._partitions.prune(retention, audit=audit)
