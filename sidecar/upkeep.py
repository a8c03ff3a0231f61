"""Which duties keep and remove bodies, in the database and in the object store."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from sidecar.keeping import object_places
from sidecar.kit.periodic import Periodic
from sidecar.ledger import Ledger
from sidecar.model.shape import Shapes
from sidecar.offload.bodies import Bodies
from sidecar.schedule.abandoned import AbandonedUploads
from sidecar.schedule.drop import Drop
from sidecar.schedule.offload import Offload
from sidecar.schedule.prune_objects import PruneObjects
from sidecar.settings.root import Settings
from sidecar.settings.units import DAY, HOUR, MINUTE
from sidecar.telemetry.log import EventLog

DROP_INTERVAL = 10.0


class Duty(Protocol):
    """Something to do again and again."""

    def run_once(self) -> Awaitable[bool]:
        """Do it; true when there is more to do at once."""


Every = Callable[[float, str, Duty], Periodic]
"""Makes a duty of something to do every so many seconds, under a name."""


def dropping(every: Every, settings: Settings, *, ledger: Ledger, log: EventLog) -> tuple[Periodic, ...]:
    """Drop bodies before their jobs go."""
    sweeps = ledger.dropping
    requests = every(DROP_INTERVAL, "drop requests", Drop(sweeps.requests, what="requests", log=log))
    kept = settings.retention
    if kept.bodies >= kept.jobs:
        return (requests,)
    slowest = settings.gateway.timeouts.body + MINUTE  # until a job is stored, from the making of its id on
    results = Drop(partial(sweeps.results, kept.bodies, least_age=slowest), what="results", log=log)
    return (requests, every(DROP_INTERVAL, "drop results", results))


def storing(
    every: Every, settings: Settings, *, ledger: Ledger, bodies: Bodies | None, shapes: Shapes, log: EventLog
) -> tuple[Periodic, ...]:
    """Move bodies to the object store, and remove what is over there; nothing without a store."""
    if bodies is None or settings.offload is None:
        return ()
    objects, store = ledger.objects, bodies.store
    retention = settings.retention.objects + settings.offload.url_ttl
    uploads = AbandonedUploads(
        store,
        places=object_places(settings, settings.offload),
        older_than=settings.callbacks.body_timeout + DAY,
        log=log,
    )
    over = PruneObjects(objects, store, over=partial(objects.over, retention), log=log)
    unwanted = PruneObjects(objects, store, over=objects.unwanted, log=log)
    return (
        every(settings.retry.scan_interval, "offload", Offload(objects, bodies, shapes=shapes, log=log)),
        every(HOUR, "objects", over),
        every(MINUTE, "unwanted objects", unwanted),
        every(HOUR, "uploads", uploads),
    )
