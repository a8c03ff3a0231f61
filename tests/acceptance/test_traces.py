"""Spans, as a collector gets them: real OTLP over a real socket."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidecar.dev.ports import free_port
from sidecar.model.errors import ConfigError
from sidecar.telemetry.otlp import OtlpSpans
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.http import Server
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.waiting import wait_until
from tests.acceptance.harness.webhooks import in_turn
from tests.acceptance.harness.world import Places, World

TRACE = "0af7651916cd43dd8448eb211c80319c"
GATEWAY = "b7ad6b7169203331"
QUICK = {"base": "50ms", "cap": "50ms", "scan_interval": "100ms"}


class Collector:
    """Takes what is exported."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self._server = Server(self._serve, free_port())
        self.start, self.stop, self.url = self._server.start, self._server.stop, self._server.url

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/v1/traces"
        for exported in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in exported.resource.attributes})
            self.spans += [span for scope in exported.scope_spans for span in scope.spans]
        return web.Response()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    opened = Collector()
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


@dataclass(frozen=True, slots=True)
class Traced:
    """A replica that tells its spans, and the world around it."""

    replica: Replica
    world: World

    async def job(self, flags: str = "01") -> str:
        url = f"{self.replica.ports.gateway_url}/billing"
        accepted = await self.world.submit(url, b"x", traceparent=f"00-{TRACE}-{GATEWAY}-{flags}")
        return str(accepted.headers["x-job-id"])


def make_traced(places: Places, world: World, make_replica: MakeReplica, endpoint: str) -> Traced:
    over: dict[str, Any] = {"telemetry": {"otlp_endpoint": endpoint}, "retry": QUICK}
    return Traced(make_replica([route("/billing", service("billing", places.services_url))], over=over), world)


def attributes(span: Span) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}


async def test_one_trace_goes_from_the_gateway_through_the_service_to_the_webhook_and_a_retry_is_linked(
    places: Places, world: World, make_replica: MakeReplica, collector: Collector
) -> None:
    services = world.services
    services.behaviours["billing"] = services.calls_back(lambda call: call.body, {"traceparent": "not one"})
    world.webhooks.behaviours["/crm/1.0/results"] = in_turn(503, 204)
    traced = make_traced(places, world, make_replica, collector.url)
    with ending(traced.replica):
        await traced.replica.start()
        job = await traced.job()
        await wait_until(lambda: len(world.webhooks.by_job[job]) == 2, "the second attempt")
        await wait_until(lambda: collector.named("retry attempt"), "the span of the second attempt")
    (accept,) = collector.named("job.accept")
    (call,) = collector.named("invocation")
    (callback,) = collector.named("callback")
    (first,) = collector.named("delivery attempt")
    (second,) = collector.named("retry attempt")
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert accept.parent_span_id.hex() == GATEWAY
    assert {span.parent_span_id for span in (call, callback, first, second)} == {accept.span_id}
    assert len({span.span_id for span in collector.spans}) == 5
    (request,) = services.called("billing")
    sent = [message.headers["traceparent"] for message in world.webhooks.by_job[job]]
    assert request.headers["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert sent == [f"00-{TRACE}-{span.span_id.hex()}-01" for span in (first, second)]
    assert [(link.trace_id, link.span_id) for link in second.links] == [(accept.trace_id, accept.span_id)]
    assert not first.links
    assert (first.status.code, first.status.message) == (Status.STATUS_CODE_ERROR, "status_503")
    assert second.status.code == Status.STATUS_CODE_UNSET
    assert {attributes(span)["sidecar.job_id"] for span in collector.spans} == {job}
    assert {attributes(span)["http.route"] for span in collector.spans} == {"/billing"}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in collector.spans)
    assert {resource["service.name"] for resource in collector.resources} == {"mediation-sidecar"}


async def test_the_span_of_a_service_is_the_parent_of_its_callback(
    places: Places, world: World, make_replica: MakeReplica, collector: Collector
) -> None:
    services, own = world.services, "00f067aa0ba902b7"
    services.behaviours["billing"] = services.calls_back(lambda _: b"r", {"traceparent": f"00-{TRACE}-{own}-01"})
    traced = make_traced(places, world, make_replica, collector.url)
    with ending(traced.replica):
        await traced.replica.start()
        await traced.job()
        (callback,) = await wait_until(lambda: collector.named("callback"), "the callback's span")
    assert (callback.parent_span_id.hex(), len(callback.links)) == (own, 0)


async def test_what_is_queued_is_sent_at_the_stop_and_what_nobody_samples_is_not(
    places: Places, world: World, make_replica: MakeReplica, collector: Collector
) -> None:
    world.services.behaviours["billing"] = world.services.calls_back(lambda call: call.body)
    traced = make_traced(places, world, make_replica, collector.url)
    with ending(traced.replica):
        await traced.replica.start()
        unsampled, sampled = await traced.job("00"), await traced.job("01")
        for job in (unsampled, sampled):
            await world.message(job, "billing")
        assert await traced.replica.stop() == 0
    assert {span.name for span in collector.spans} == {"job.accept", "invocation", "callback", "delivery attempt"}
    assert {attributes(span)["sidecar.job_id"] for span in collector.spans} == {sampled}


async def test_a_collector_that_is_away_holds_nothing_up(
    places: Places, world: World, make_replica: MakeReplica
) -> None:
    world.services.behaviours["billing"] = world.services.calls_back(lambda call: call.body)
    traced = make_traced(places, world, make_replica, f"http://127.0.0.1:{free_port()}")
    with ending(traced.replica):
        await traced.replica.start()
        for job in [await traced.job() for _ in range(20)]:
            await world.message(job, "billing")
        assert await traced.replica.stop() == 0


def test_without_the_extra_the_error_names_the_setting_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"telemetry\.otlp_endpoint: .*install wso2-mediation-sidecar\[otel\]"):
        OtlpSpans("http://127.0.0.1:4318")
