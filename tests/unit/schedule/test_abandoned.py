"""Uploads that nobody will complete."""

import io

from sidecar.offload.errors import OffloadUnavailable
from sidecar.schedule.abandoned import AbandonedUploads
from sidecar.telemetry.log import make_log


class Store:
    def __init__(self, *, away: set[str | None]) -> None:
        self.away = away
        self.asked: list[tuple[str | None, str, float]] = []

    async def abort_stale_uploads(self, prefix: str, *, older_than: float, bucket: str | None = None) -> int:
        self.asked.append((bucket, prefix, older_than))
        if bucket in self.away:
            raise OffloadUnavailable("away")
        return 2


async def test_every_place_is_looked_through_also_when_one_is_away() -> None:
    store = Store(away={None})
    told = io.BytesIO()
    log = make_log("json", "info", told)
    places = [(None, "sidecar/"), ("results-eu", "sidecar/")]
    assert not await AbandonedUploads(store, places=places, older_than=90.0, log=log).run_once()
    log.flush()
    assert store.asked == [(None, "sidecar/", 90.0), ("results-eu", "sidecar/", 90.0)]
    assert b"store.unavailable" in told.getvalue()
    assert b'"event":"uploads.aborted","uploads":2' in told.getvalue()
