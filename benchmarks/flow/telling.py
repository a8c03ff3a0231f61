"""What the log and the metrics of one job cost: its lines and counts alone, on the program's own code."""

import asyncio
import io
import time
from statistics import median
from uuid import uuid4

from sidecar.model.outcome import Verdict
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog, make_log
from sidecar.telemetry.metrics import Metrics

JOBS = 20_000
ROUTE = "/orders/{order_id}/report"
SERVICE = "billing"


def tell_job(log: EventLog, metrics: Metrics) -> None:
    """Write and count what the stages do for one job with one service."""
    job_id, correlation_id = uuid4(), "5c2a3f0e-order-7"
    metrics.job_answered(202, 0.004, route=ROUTE)
    log.info(
        Event.JOB_ACCEPTED,
        job_id=str(job_id),
        correlation_id=correlation_id,
        route=ROUTE,
        application="shop",
        services=1,
        size=1024,
    )
    metrics.invocation_attempted(None, 0.002, route=ROUTE, service=SERVICE)
    log.info(
        Event.INVOCATION_ATTEMPTED,
        job_id=str(job_id),
        correlation_id=correlation_id,
        route=ROUTE,
        service=SERVICE,
        attempt=1,
        status=202,
        failure=None,
        decision="Acknowledged",
        reason=None,
        seconds=round(0.00212345, 4),
    )
    metrics.callback_received(Verdict.WON)
    metrics.callback_waited(ROUTE, SERVICE, 0.01)
    log.info(
        Event.CALLBACK_RECEIVED, job_id=str(job_id), service=SERVICE, status="succeeded", size=1024, verdict=Verdict.WON
    )
    metrics.delivery_attempted(None, "other", 0.003, route=ROUTE)
    metrics.delivered(ROUTE, 0.02)
    log.info(
        Event.DELIVERY_ATTEMPTED,
        job_id=str(job_id),
        correlation_id=correlation_id,
        route=ROUTE,
        service=SERVICE,
        webhook="hooks.example",
        kind="direct",
        attempt=1,
        status=200,
        reason=None,
        retryable=False,
        seconds=round(0.00312345, 4),
    )


async def cost_of_telling() -> float:
    """Measure the CPU seconds of one job's lines and counts: the median of five runs."""
    stream = io.BytesIO()
    log, metrics = make_log("json", "info", stream), Metrics(routes={ROUTE: [SERVICE]})
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(JOBS):
            tell_job(log, metrics)
        times.append((time.process_time() - began) / JOBS)
        await asyncio.sleep(0)
        stream.seek(0)
    log.flush()
    return median(times)
