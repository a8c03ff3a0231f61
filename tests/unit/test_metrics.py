import asyncio

from prometheus_client.parser import text_string_to_metric_families

from sidecar.model.outcome import Verdict
from sidecar.model.reasons import DeliveryReason, InvocationReason
from sidecar.telemetry.histogram import BOUNDS
from sidecar.telemetry.metrics import Metrics, counter, single

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(metrics: Metrics) -> Series:
    text = asyncio.run(metrics.expose()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Series, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_all_series_of_closed_sets_are_there_before_anything_happened() -> None:
    found = series(Metrics(endpoints=("partner",), routes={"/orders/{id}": ("billing",)}))
    for reason in ("ok", *InvocationReason):
        assert value(found, "sidecar_invocation_attempts_total", reason=reason) == 0
    for reason in ("ok", *DeliveryReason):
        for endpoint in ("partner", "other"):
            assert value(found, "sidecar_delivery_attempts_total", reason=reason, endpoint=endpoint) == 0
    for verdict in Verdict:
        assert value(found, "sidecar_callbacks_total", verdict=verdict) == 0
    assert value(found, "sidecar_jobs_total", status="202") == 0
    for listener in ("gateway", "callbacks", "admin"):
        assert value(found, "sidecar_answers_total", listener=listener, status="500") == 0
    for route in ("/orders/{id}", "other"):
        for name in ("accept", "delivery", "end_to_end"):
            assert value(found, f"sidecar_{name}_seconds_count", route=route) == 0
    for labels in ({"route": "/orders/{id}", "service": "billing"}, {"route": "other", "service": "other"}):
        for name in ("invocation", "callback_wait"):
            assert value(found, f"sidecar_{name}_seconds_count", **labels) == 0


def test_what_the_settings_do_not_name_makes_no_series_of_its_own() -> None:
    metrics = Metrics(routes={"/orders/{id}": ("billing",)})
    metrics.callback_waited("/orders/{id}", "billing", 2.0)
    metrics.callback_waited("/orders/{id}", "gone", 2.0)
    metrics.callback_waited("/gone", "billing", 4.0)
    metrics.delivered("/gone", 3.0)
    found = series(metrics)
    assert value(found, "sidecar_callback_wait_seconds_sum", route="/orders/{id}", service="billing") == 2
    assert value(found, "sidecar_callback_wait_seconds_sum", route="other", service="other") == 6
    assert value(found, "sidecar_end_to_end_seconds_count", route="other") == 1
    assert not any(("route", "/gone") in labels for _, labels in found)


def test_what_is_counted_is_shown() -> None:
    metrics = Metrics()
    metrics.add(lambda: [counter("ledger_rows", "Rows.", ("kind",), single({"accept": 7}))])
    metrics.job_answered(202, 0.02)
    metrics.job_answered(599)
    metrics.answered("callbacks", 404)
    metrics.invocation_attempted(None, 0.1)
    metrics.invocation_attempted(InvocationReason.BUSY, 1.5)
    metrics.callback_received(Verdict.SAME)

    metrics.delivery_attempted(None, "other", 0.2)
    metrics.delivery_attempted(DeliveryReason.DNS, "other", 0.2)
    metrics.gauge("queue_length", "Waiting work.", lambda: 3)
    found = series(metrics)
    assert value(found, "sidecar_jobs_total", status="202") == 1
    assert value(found, "sidecar_jobs_total", status="599") == 1
    assert value(found, "sidecar_answers_total", listener="callbacks", status="404") == 1
    assert value(found, "sidecar_invocation_attempts_total", reason="ok") == 1
    assert value(found, "sidecar_invocation_attempts_total", reason="busy") == 1
    assert value(found, "sidecar_callbacks_total", verdict="same") == 1
    assert value(found, "sidecar_delivery_attempts_total", reason="ok", endpoint="other") == 1
    assert value(found, "sidecar_delivery_attempts_total", reason="dns", endpoint="other") == 1
    assert value(found, "sidecar_ledger_rows_total", kind="accept") == 7
    assert value(found, "sidecar_queue_length") == 3
    assert ("process_cpu_seconds_total", frozenset()) in found


def test_a_histogram_counts_each_duration_in_its_bucket_and_all_larger_ones() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 10_000):
        metrics.delivery_attempted(None, "other", seconds)
    found = series(metrics)
    assert value(found, "sidecar_delivery_seconds_bucket", route="other", le="0.001") == 2
    assert value(found, "sidecar_delivery_seconds_bucket", route="other", le="0.5") == 3
    assert value(found, "sidecar_delivery_seconds_bucket", route="other", le=str(BOUNDS[-1])) == 3
    assert value(found, "sidecar_delivery_seconds_bucket", route="other", le="+Inf") == 4
    assert value(found, "sidecar_delivery_seconds_count", route="other") == 4
    assert value(found, "sidecar_delivery_seconds_sum", route="other") == 10_000.3015
