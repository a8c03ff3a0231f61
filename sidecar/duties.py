"""Which duties a worker has, and how often."""

from collections.abc import Callable, Mapping, Sequence

from sidecar.deliver.stage import Deliver
from sidecar.fanout.stage import Fanout
from sidecar.kit.periodic import Periodic
from sidecar.ledger import Ledger, WorkPage
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation
from sidecar.model.retry import Retry
from sidecar.model.shape import Shapes
from sidecar.offload.bodies import Bodies
from sidecar.schedule.backlog import Backlog
from sidecar.schedule.beat import Beat
from sidecar.schedule.claim import Claim
from sidecar.schedule.endpoints import Endpoints
from sidecar.schedule.expire import Expire
from sidecar.schedule.partitions import Partitions
from sidecar.schedule.pulse import Pulse
from sidecar.schedule.reconcile import Reconcile
from sidecar.schedule.takeover import TakeOver
from sidecar.settings.root import Settings
from sidecar.settings.units import DAY, HOUR
from sidecar.telemetry.log import EventLog
from sidecar.upkeep import Duty, dropping, storing

EXPIRE_BATCH = 500
"""Rows past their deadline that one look takes."""

TAKEOVER_INTERVAL = 1.0
RECONCILE_AFTER = 3
"""Statement time-outs after which a claim whose answer has not come is taken for lost; 30 s by default."""
USAGE_INTERVAL = 2.0
"""Seconds between counts of what applications have: for so long other replicas' jobs may go unseen."""

EXPIRE_INTERVAL = 1.0
PULSE_INTERVAL = 20.0
BACKLOG_INTERVAL = 15.0
OWN_PLACES_INTERVAL = 30.0


class InvocationSource:
    """Due invocations of the ledger, by service."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keys_with_work(self, after: str) -> WorkPage:
        """Return services that have due invocations."""
        return await self._ledger.service_keys_with_work(after)

    async def claim(self, free: Mapping[str, int]) -> Sequence[Invocation]:
        """Own due invocations."""
        return await self._ledger.claim_invocations(free)


class DeliverySource:
    """Due deliveries of the ledger, by endpoint."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keys_with_work(self, after: str) -> WorkPage:
        """Return endpoints that have due deliveries."""
        return await self._ledger.endpoints_with_work(after)

    async def claim(self, free: Mapping[str, int]) -> Sequence[Delivery]:
        """Own due deliveries."""
        return await self._ledger.claim_deliveries(free)


class RetrySource:
    """Due retries of the ledger, by endpoint."""

    def __init__(self, ledger: Ledger) -> None:
        self._retries = ledger.retries

    async def keys_with_work(self, after: str) -> WorkPage:
        """Return endpoints that have due retries."""
        return await self._retries.endpoints_with_work(after)

    async def claim(self, free: Mapping[str, int]) -> Sequence[Retry]:
        """Own due retries."""
        return await self._retries.claim(free)


class Duties:
    """All duties of one worker, grouped by when they stop: claims first, the beat last."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        fanout: Fanout,
        deliver: Deliver,
        own: Duty,
        bodies: Bodies | None,
        shapes: Shapes,
        quotas: Duty | None,
        log: EventLog,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        def every(seconds: float, name: str, duty: Duty) -> Periodic:
            return Periodic(name, interval=seconds, run_once=duty.run_once, on_error=on_error)

        worker = settings.worker
        scan = settings.retry.scan_interval
        kept = settings.retention
        lost_after = RECONCILE_AFTER * settings.database.statement_timeout
        days_ahead = max(1, round(kept.partitions_ahead / DAY))
        self.reinvoke = every(scan, "reinvoke", Claim(InvocationSource(ledger), fanout, gate=fanout.places))
        self.redeliver = every(scan, "redeliver", Claim(DeliverySource(ledger), deliver, gate=deliver.places))
        self.retry = every(scan, "retry", Claim(RetrySource(ledger), deliver, gate=deliver.places))
        self.claims = (self.reinvoke, self.redeliver, self.retry)
        take_over = every(TAKEOVER_INTERVAL, "takeover", TakeOver(ledger, freed=self._claim_now, log=log))
        budget = settings.retry.give_up_after
        self.backlog = Backlog(ledger.backlog)
        self.upkeep: tuple[Periodic, ...] = (
            every(scan, "endpoints", Endpoints(deliver.health, deliver, ledger.retries, budget=budget, log=log)),
            take_over,
            every(BACKLOG_INTERVAL, "backlog", self.backlog),
            every(PULSE_INTERVAL, "pulse", Pulse(ledger.pulse)),
            every(lost_after / 2, "reconcile", Reconcile(ledger, older_than=lost_after, log=log)),
            every(OWN_PLACES_INTERVAL, "egress", own),
            every(EXPIRE_INTERVAL, "expire", Expire(ledger, batch=EXPIRE_BATCH, log=log)),
            every(
                HOUR,
                "partitions",
                Partitions(ledger, days_ahead=days_ahead, retention=kept.jobs, audit=kept.audit, log=log),
            ),
        )
        if quotas is not None:
            self.upkeep += (every(USAGE_INTERVAL, "usage", quotas),)
        self.upkeep += dropping(every, settings, ledger=ledger, log=log)
        self.upkeep += storing(every, settings, ledger=ledger, bodies=bodies, shapes=shapes, log=log)
        beat = Beat(ledger, interval=worker.beat_interval, buried=take_over.wake)
        self.life = (every(worker.watch_interval, "beat", beat),)

    def _claim_now(self) -> None:
        """Look for due work of every kind, now."""
        for claim in self.claims:
            claim.wake()
