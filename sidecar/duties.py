"""Which duties a worker has, and how often."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sidecar.deliver.stage import Deliver
from sidecar.fanout.stage import Fanout
from sidecar.kit.periodic import Periodic
from sidecar.ledger import Ledger, WorkPage
from sidecar.model.delivery import Delivery
from sidecar.model.invocation import Invocation
from sidecar.model.retry import Retry
from sidecar.model.shape import Shapes
from sidecar.offload.bodies import Bodies
from sidecar.schedule.abandoned import AbandonedUploads
from sidecar.schedule.beat import Beat
from sidecar.schedule.claim import Claim
from sidecar.schedule.endpoints import Endpoints
from sidecar.schedule.expire import Expire
from sidecar.schedule.offload import Offload
from sidecar.schedule.partitions import Partitions
from sidecar.schedule.prune_objects import PruneObjects
from sidecar.schedule.reconcile import Reconcile
from sidecar.schedule.takeover import TakeOver
from sidecar.settings.offload import OffloadSettings
from sidecar.settings.root import Settings
from sidecar.settings.units import DAY, HOUR
from sidecar.telemetry.log import EventLog

EXPIRE_BATCH = 500
"""Rows past their deadline that one look takes."""

TAKEOVER_INTERVAL = 1.0
RECONCILE_AFTER = 3
"""Statement time-outs after which a claim whose answer has not come is taken for lost; 30 s by default."""
EXPIRE_INTERVAL = 1.0


class Duty(Protocol):
    """Something to do again and again."""

    async def run_once(self) -> bool:
        """Do it; true when there is more to do at once."""


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
        bodies: Bodies | None,
        shapes: Shapes,
        log: EventLog,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        def every(seconds: float, name: str, duty: Duty) -> Periodic:
            return Periodic(name, interval=seconds, run_once=duty.run_once, on_error=on_error)

        beat = settings.worker.beat_interval
        scan = settings.retry.scan_interval
        kept = settings.retention
        lost_after = RECONCILE_AFTER * settings.database.statement_timeout
        days_ahead = max(1, round(kept.partitions_ahead / DAY))
        self.reinvoke = every(scan, "reinvoke", Claim(InvocationSource(ledger), fanout))
        self.redeliver = every(scan, "redeliver", Claim(DeliverySource(ledger), deliver, gate=deliver.health.places))
        self.retry = every(scan, "retry", Claim(RetrySource(ledger), deliver, gate=deliver.health.places))
        self.claims = (self.reinvoke, self.redeliver, self.retry)
        budget = settings.retry.give_up_after
        self.upkeep: tuple[Periodic, ...] = (
            every(scan, "endpoints", Endpoints(deliver.health, deliver, ledger.retries, budget=budget, log=log)),
            every(TAKEOVER_INTERVAL, "takeover", TakeOver(ledger, log=log)),
            every(lost_after / 2, "reconcile", Reconcile(ledger, older_than=lost_after, log=log)),
            every(EXPIRE_INTERVAL, "expire", Expire(ledger, batch=EXPIRE_BATCH, log=log)),
            every(
                HOUR,
                "partitions",
                Partitions(ledger, days_ahead=days_ahead, retention=kept.jobs, audit=kept.audit, log=log),
            ),
        )
        if bodies is not None and settings.offload is not None:
            store = bodies.store
            retention = settings.retention.objects + settings.offload.url_ttl
            uploads = AbandonedUploads(
                store,
                places=_places(settings, settings.offload),
                older_than=settings.callbacks.body_timeout + DAY,
                log=log,
            )
            self.upkeep += (
                every(scan, "offload", Offload(ledger.objects, bodies, shapes=shapes, log=log)),
                every(HOUR, "objects", PruneObjects(ledger.objects, store, retention=retention, log=log)),
                every(HOUR, "uploads", uploads),
            )
        self.life = (every(beat, "beat", Beat(ledger)),)


def _places(settings: Settings, offload: OffloadSettings) -> list[tuple[str | None, str]]:
    """List where uploads may begin: the bucket and prefix of all routes, and of each that has its own."""
    own = [route.offload for route in settings.routes if route.offload is not None]
    places = {(place.bucket, offload.prefix if place.prefix is None else place.prefix) for place in own}
    return [(None, offload.prefix), *sorted(places, key=str)]
