"""Send spans by OTLP over HTTP: the only importer of OpenTelemetry, and only where the settings name a collector."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from sidecar import __version__
from sidecar.model.errors import ConfigError
from sidecar.telemetry.tracing import Span

TIMEOUT = 3.0  # seconds that a collector gets for one batch, its repetitions included
QUEUE = 4096  # spans that wait; what comes while it is full is lost, and the work goes on
PATH = "/v1/traces"


class OtlpSpans:
    """Gathers spans in a bounded queue; a thread of its own sends them. A collector that is away costs spans only.

    Args:
        endpoint: The collector, like ``http://collector:4318``; without a path, ``/v1/traces`` is added.

    Raises:
        ConfigError: The extra ``otel`` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import trace  # noqa: PLC0415 - an extra, which most installations do not have
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                f"telemetry.otlp_endpoint: {error.name} is missing; install wso2-mediation-sidecar[otel],"
                " or leave the setting out"
            ) from error
        self._trace = trace
        self._span = ReadableSpan
        self._kinds = {"server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT}
        self._resource = Resource.create({"service.name": "mediation-sidecar", "service.version": __version__})
        self._scope = InstrumentationScope("sidecar", __version__)
        url = endpoint.rstrip("/") + PATH if urlsplit(endpoint).path in {"", "/"} else endpoint
        exporter = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=1000)

    def emit(self, span: Span, /) -> None:
        """Queue a span."""
        trace = self._trace
        failed = span.failed
        began = int(span.began * 1e9)
        self._processor.on_end(
            self._span(
                span.name,
                context=self._context(span.traceparent),
                parent=None if span.parent is None else self._context(span.parent),
                resource=self._resource,
                attributes={name: value for name, value in span.attributes.items() if value is not None},
                links=() if span.link is None else (trace.Link(self._context(span.link)),),
                kind=self._kinds[span.kind],
                status=trace.Status() if failed is None else trace.Status(trace.StatusCode.ERROR, failed),
                start_time=began,
                end_time=began + int(span.seconds * 1e9),
                instrumentation_scope=self._scope,
            )
        )

    async def stop(self) -> None:
        """Send what is queued, as far as the collector takes it in time."""
        await asyncio.to_thread(self._processor.shutdown)

    def _context(self, traceparent: str) -> Any:
        trace = self._trace
        return trace.SpanContext(
            trace_id=int(traceparent[3:35], 16),
            span_id=int(traceparent[36:52], 16),
            is_remote=True,
            trace_flags=trace.TraceFlags(int(traceparent[53:55], 16)),
        )
