"""What the sidecar tells about itself."""

from typing import Literal

from sidecar.settings.addresses import Url
from sidecar.settings.section import Section


class LogSettings(Section):
    """The log."""

    format: Literal["json", "pretty"] = "json"
    """``json`` for machines, one object a line; ``pretty`` for people."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""


class TelemetrySettings(Section):
    """What the sidecar tells about itself."""

    log: LogSettings = LogSettings()
    """The log."""
    otlp_endpoint: Url | None = None
    """Where traces are sent (OTLP over HTTP), like http://collector:4318; without a path, /v1/traces is added. It needs
    the extra ``otel``. Unset: no traces are sent, and ``traceparent`` is continued all the same."""
