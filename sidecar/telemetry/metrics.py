"""Metrics: plain integers on the hot path, turned into Prometheus series when they are asked for.

Label values come from closed sets and all their series are there from the start, so that a rate over the first
failure is right and nobody outside can make series.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar import __version__
from sidecar.model.egress import EgressReason
from sidecar.model.outcome import Verdict
from sidecar.model.quota import Limit
from sidecar.model.reasons import DeliveryReason, InvocationReason, OwnReason
from sidecar.telemetry.histogram import LONG_BOUNDS, OTHER, Histograms

OK = "ok"
"""The ``reason`` of an attempt that did not fail."""

LISTENERS = ("gateway", "callbacks", "admin")
ANSWERS = (200, 202, 303, 400, 401, 403, 404, 405, 408, 409, 410, 413, 414, 415, 417, 422, 429, 431, 500, 502, 503, 508)
"""Statuses that listeners answer with."""

TOKEN_TROUBLES = (OwnReason.KEY_MANAGER_AWAY, OwnReason.KEY_MANAGER_REFUSES, OwnReason.UNREADABLE)
"""Why a service user has no token."""
EGRESS_STAGES = ("accept", "dial")
"""When a URL was refused: as it came, or when it was to be called."""

Families = Callable[[], Iterable[Metric]]
"""Tells metrics that others count, at that moment."""


class Metrics(Collector):
    """Counts what happens in this process.

    Args:
        endpoints: Names of the configured endpoints, beyond ``other``.
        routes: The templates of the configured routes, each with the names of its services.
    """

    def __init__(self, *, endpoints: Sequence[str] = (), routes: Mapping[str, Iterable[str]] | None = None) -> None:
        self._more: list[Families] = []
        self._answers = Counter({(listener, status): 0 for listener in LISTENERS for status in ANSWERS})
        self._jobs = Counter(dict.fromkeys(ANSWERS, 0))
        self._invocations = Counter(dict.fromkeys((OK, *InvocationReason), 0))
        self._callbacks = Counter(dict.fromkeys(Verdict, 0))
        reasons = (OK, *DeliveryReason)
        self._deliveries = Counter({(reason, name): 0 for name in (*endpoints, OTHER) for reason in reasons})
        self._put_off: Counter[OwnReason] = Counter(dict.fromkeys(set(OwnReason) - {OwnReason.RELEASED}, 0))
        self._tokens = Counter(dict.fromkeys((OK, *TOKEN_TROUBLES), 0))
        self._refusals = Counter({(stage, reason): 0 for stage in EGRESS_STAGES for reason in EgressReason})
        self._limited = Counter(dict.fromkeys(Limit, 0))
        paths = [(path,) for path in routes or {}]
        calls = [(path, service) for path, services in (routes or {}).items() for service in services]
        by_route, by_service = ("route",), ("route", "service")
        text = "Time from a request's head to its answer."
        self._accept_seconds = Histograms("accept_seconds", text, by_route, paths)
        text = "Time of one call of a service."
        self._invocation_seconds = Histograms("invocation_seconds", text, by_service, calls)
        text = "Time from the last call of a service to its callback."
        self._callback_seconds = Histograms("callback_wait_seconds", text, by_service, calls, bounds=LONG_BOUNDS)
        text = "Time of one attempt at a webhook."
        self._delivery_seconds = Histograms("delivery_seconds", text, by_route, paths)
        text = "Time from the accept of a job to the delivery of a message about it."
        self._end_to_end_seconds = Histograms("end_to_end_seconds", text, by_route, paths, bounds=LONG_BOUNDS)
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def answered(self, listener: str, status: int) -> None:
        """Count any answer of a listener, those to unreadable requests and to faults included."""
        self._answers[listener, status] += 1

    def job_answered(self, status: int, seconds: float | None = None, *, route: str = OTHER) -> None:
        """Count an answer to what is to become a job, or a refusal; ``seconds`` from the request's head."""
        self._jobs[status] += 1
        if seconds is not None:
            self._accept_seconds.of(route).observe(seconds)

    def application_limited(self, limit: Limit) -> None:
        """Count a request that was over a limit of its application."""
        self._limited[limit] += 1

    def invocation_attempted(
        self, reason: InvocationReason | None, seconds: float, *, route: str = OTHER, service: str = OTHER
    ) -> None:
        """Count a call of a service; no reason means that it was taken."""
        self._invocations[reason or OK] += 1
        self._invocation_seconds.of(route, service).observe(seconds)

    def callback_received(self, verdict: Verdict) -> None:
        """Count a callback by what became of it."""
        self._callbacks[verdict] += 1

    def callback_waited(self, route: str, service: str, seconds: float) -> None:
        """Count how long a service took, from its last call to the callback that stands."""
        self._callback_seconds.of(route, service).observe(seconds)

    def delivery_attempted(
        self, reason: DeliveryReason | None, endpoint: str, seconds: float, *, route: str = OTHER
    ) -> None:
        """Count an attempt at a webhook; no reason means that it was delivered."""
        self._deliveries[reason or OK, endpoint] += 1
        self._delivery_seconds.of(route).observe(seconds)

    def delivered(self, route: str, seconds: float) -> None:
        """Count how long it took from the accept of a job to the delivery of a message about it."""
        self._end_to_end_seconds.of(route).observe(seconds)

    def delivery_put_off(self, reason: OwnReason) -> None:
        """Count a message that was not sent for a reason of ours."""
        self._put_off[reason] += 1

    def token_fetched(self, reason: OwnReason | None) -> None:
        """Count a request for a service user's token; no reason means that there is one."""
        self._tokens[reason or OK] += 1

    def egress_refused(self, stage: str, reason: EgressReason) -> None:
        """Count a URL that may not be called; ``stage`` is one of ``EGRESS_STAGES``."""
        self._refusals[stage, reason] += 1

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Export what ``read`` returns at that moment as ``sidecar_{name}``."""
        self._gauges.append((f"sidecar_{name}", text, read))

    def add(self, families: Families) -> None:
        """Export also what somebody else counts."""
        self._more.append(families)

    async def expose(self) -> bytes:
        """Render all metrics of this process in the text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families (for the registry)."""
        answers = (((listener, str(status)), count) for (listener, status), count in self._answers.items())
        yield counter("answers", "All answers of the listeners.", ("listener", "status"), answers)
        yield counter("jobs", "Answers to what is to become a job.", ("status",), single(self._jobs))
        yield counter("invocation_attempts", "Calls of services.", ("reason",), single(self._invocations))
        yield counter("limited", "Requests over a limit of their application.", ("limit",), single(self._limited))
        yield counter("callbacks", "Callbacks of services.", ("verdict",), single(self._callbacks))
        yield counter("delivery_attempts", "Attempts at webhooks.", ("reason", "endpoint"), self._deliveries.items())
        text = "Messages not sent for a reason of ours."
        yield counter("deliveries_put_off", text, ("reason",), single(self._put_off))
        yield counter("token_fetches", "Requests for tokens of service users.", ("reason",), single(self._tokens))
        yield counter("egress_refusals", "URLs that may not be called.", ("stage", "reason"), self._refusals.items())
        yield self._accept_seconds.family()
        yield self._invocation_seconds.family()
        yield self._callback_seconds.family()
        yield self._delivery_seconds.family()
        yield self._end_to_end_seconds.family()
        for families in self._more:
            yield from families()
        for name, text, read in self._gauges:
            yield GaugeMetricFamily(name, text, value=read())
        info = GaugeMetricFamily("sidecar_build_info", "Always 1; the label tells the version.", labels=("version",))
        info.add_metric([__version__], 1)
        yield info


def single(counts: Mapping[Any, int]) -> Iterable[tuple[tuple[str], int]]:
    """Tell counts by the one label that they have."""
    return (((str(value),), count) for value, count in counts.items())


def counter(
    name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    """Build a counter; its name gets ``sidecar_`` and ``_total``."""
    family = CounterMetricFamily(f"sidecar_{name}", text, labels=labels)
    for values, count in counts:
        family.add_metric(values, count)
    return family
