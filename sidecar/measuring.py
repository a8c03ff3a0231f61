"""What parts of the process count, as metrics: read when somebody asks."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from sidecar.ledger import Ledger
from sidecar.model.retry import EndpointState
from sidecar.offload.telling import OPERATIONS, RESULTS
from sidecar.schedule.backlog import Backlog
from sidecar.settings.root import Settings
from sidecar.telemetry.histogram import OTHER, Histogram, Histograms
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics, counter, single

AWAY = ("open", "paused", "held")
"""Why nothing is sent to an endpoint: its circuit, its own wish, or an operator."""


def make_metrics(settings: Settings) -> Metrics:
    """Make the metrics; their labels come from the settings."""
    routes: dict[str, set[str]] = {}
    for route in settings.routes:
        routes.setdefault(route.path, set()).update(service.name for service in route.services)
    return Metrics(endpoints=[endpoint.name for endpoint in settings.webhook.endpoints], routes=routes)


def measure_process(metrics: Metrics, log: EventLog) -> Histogram:
    """Export what is true of any process; return where the lateness of its event loop goes."""
    lag = Histogram()

    def families() -> Iterator[Metric]:
        family = HistogramMetricFamily("sidecar_event_loop_lag_seconds", "How late the event loop runs what is due.")
        lag.export(family)
        yield family
        yield counter("log_lines_lost", "Lines of the log that its stream did not take.", (), [((), log.lost)])

    metrics.add(families)
    metrics.gauge("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    return lag


def measure_ledger(metrics: Metrics, ledger: Ledger) -> None:
    """Export what the ledger counts."""
    metrics.add(partial(_ledger, ledger))
    pool = ledger.pool
    metrics.gauge("ledger_pool_size", "Connections for claims, duties and reads.", lambda: pool.size)
    metrics.gauge("ledger_pool_in_use", "Those of them that run a statement.", lambda: pool.in_use)
    metrics.gauge("ledger_pool_waiting", "Statements that wait for one of them.", lambda: pool.waiting)
    metrics.gauge("ledger_up", "1 while there is a connection for writes.", lambda: ledger.up)
    metrics.gauge("ledger_days_ahead", "Days for which there are partitions, today's rest included.", ledger.days_ahead)
    metrics.gauge("heartbeat_age_seconds", "Time since the last heartbeat that came through.", ledger.since_beat)


def _ledger(ledger: Ledger) -> Iterator[Metric]:
    stats = ledger.stats
    by_kind = {
        "statements": stats.statements,
        "batches": stats.batches,
        "rows": stats.rows,
        "rejected": stats.rejected,
        "outcomes": stats.outcomes,
    }
    for what, counts in by_kind.items():
        yield counter(f"ledger_{what}", f"Ledger: {what} by kind.", ("kind",), single(counts))
    yield counter("messages", "What attempts at messages came to.", ("end",), single(stats.ends))
    for name, text, count in (
        ("ledger_conflicts", "Batches that were repeated after a deadlock.", stats.conflicts),
        ("ledger_connects", "Connections to the database that were opened.", stats.connects),
        ("ledger_connections_lost", "Connections to the database that ended by themselves.", stats.losses),
        ("ledger_handover_faults", "Committed work that this process could not take on.", stats.handover_faults),
        ("heartbeats_lost", "Heartbeats that did not come through.", stats.beats_lost),
        ("worker_deaths", "Times that this worker was taken for dead.", stats.deaths),
        ("worker_burials", "Other workers that this one took for dead.", stats.burials),
    ):
        yield counter(name, text, (), [((), count)])
    sizes = HistogramMetricFamily("sidecar_ledger_batch_rows", "Rows of a group commit.", labels=("kind",))
    for kind, histogram in stats.sizes.items():
        histogram.export(sizes, (kind,))
    yield sizes


def measure_backlog(metrics: Metrics, backlog: Backlog) -> None:
    """Export what waits in the ledger; all replicas say the same."""

    def families() -> Iterator[Metric]:
        text = "Rows of the ledger that wait or are under way, counted up to 10,000."
        yield _gauge("backlog", text, "state", backlog.rows.items())
        yield _gauge("backlog_due", "Those of them that could be done now.", "state", backlog.due.items())
        text = "Time since the oldest of them could have been done."
        yield _gauge("backlog_oldest_due_seconds", text, "state", backlog.oldest.items())

    metrics.add(families)


def measure_endpoints(
    metrics: Metrics,
    states: Callable[[], Iterable[EndpointState]],
    *,
    label_of: Callable[[str], str],
    labels: Iterable[str],
) -> None:
    """Export how many endpoints are away, by the name that the settings give them; all replicas say the same."""
    none = dict.fromkeys([(label, why) for label in (*labels, OTHER) for why in AWAY], 0)

    def families() -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "sidecar_endpoints_away", "Endpoints that nothing is sent to, and why.", labels=("endpoint", "state")
        )
        away = Counter((label_of(state.endpoint), state.state) for state in states())
        for values, count in (none | away).items():
            family.add_metric(values, count)
        yield family

    metrics.add(families)


def measure_store(metrics: Metrics) -> Callable[[str, str, float], None]:
    """Export calls of the object store; return what takes them."""
    calls = Counter({(operation, result): 0 for operation in (*OPERATIONS, OTHER) for result in RESULTS})
    text = "Time of one call of the object store, to the head of its answer."
    seconds = Histograms("store_seconds", text, ("operation",), [(operation,) for operation in OPERATIONS])

    def told(operation: str, result: str, took: float) -> None:
        calls[operation if operation in OPERATIONS else OTHER, result] += 1
        seconds.of(operation).observe(took)

    def families() -> Iterator[Metric]:
        yield counter("store_calls", "Calls of the object store.", ("operation", "result"), calls.items())
        yield seconds.family()

    metrics.add(families)
    return told


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"sidecar_{name}", text, labels=(label,))
    for value, number in values:
        family.add_metric((value,), number)
    return family
