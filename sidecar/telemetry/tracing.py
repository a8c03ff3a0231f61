"""Traces: one span for each accept, call, callback and attempt, all in the trace that the gateway began.

The ids of spans are those that the ledger and the headers of requests hold anyway (``traceparent``), so that a span
is one value, made when its work is over, and nothing is kept between. This module knows nothing of OpenTelemetry:
who sends the spans does.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sidecar.model.trace import child_span, is_traceparent

Kind = Literal["server", "client"]
Attributes = Mapping[str, str | int | None]

SAMPLED = 1
"""The flag of a ``traceparent`` that says: somebody keeps this trace (W3C Trace Context, section 3.2.2.5)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Work that is over. ``traceparent`` names it, ``parent`` what it was done for, ``link`` what it goes back to."""

    name: str
    kind: Kind
    traceparent: str
    parent: str | None
    began: float  # seconds since 1970
    seconds: float
    attributes: Attributes
    failed: str | None = None  # why
    link: str | None = None


class Spans(Protocol):
    """Who sends spans. It neither blocks nor raises."""

    def emit(self, span: Span, /) -> None:
        """Take a span."""


def sampled(traceparent: str) -> bool:
    """Tell whether spans of a trace are wanted."""
    return bool(int(traceparent[53:55], 16) & SAMPLED)


def trace_of(headers: Sequence[tuple[str, str]]) -> str | None:
    """Return the ``traceparent`` that a request was sent with: it is the last of its headers, where there is one."""
    name, value = headers[-1]
    return value if name == "traceparent" else None


class Tracing:
    """Make spans of what the stages did.

    Args:
        spans: Who sends them.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def accepted(self, ours: str, sent: str | None, *, seconds: float, attributes: Attributes) -> None:
        """Tell of an accepted request; ``sent`` is the caller's own traceparent."""
        parent = sent if is_traceparent(sent) else None
        self._over("job.accept", "server", ours, parent, seconds=seconds, attributes=attributes)

    def invoked(
        self, sent: str | None, job: str | None, *, seconds: float, failed: str | None, attributes: Attributes
    ) -> None:
        """Tell of a call of a service; ``sent`` is the traceparent that it got, ``job`` that of the accept."""
        if sent is not None:
            self._over("invocation", "client", sent, job, seconds=seconds, failed=failed, attributes=attributes)

    def called_back(self, job: str | None, sent: str | None, *, seconds: float, attributes: Attributes) -> None:
        """Tell of a callback that stands; ``sent`` is the service's own traceparent.

        A service that began a trace of its own is linked to.
        """
        if job is None:
            return
        known = sent if is_traceparent(sent) else None
        same = known is not None and known[3:35] == job[3:35]
        self._over(
            "callback",
            "server",
            child_span(job),
            known if same else job,
            seconds=seconds,
            attributes=attributes,
            link=None if same else known,
        )

    def attempted(
        self,
        sent: str | None,
        job: str | None,
        *,
        retry: bool,
        seconds: float,
        failed: str | None,
        attributes: Attributes,
    ) -> None:
        """Tell of an attempt at a webhook. One that comes later is linked to the accept that it goes back to."""
        if sent is not None:
            name, link = ("retry attempt", job) if retry else ("delivery attempt", None)
            self._over(name, "client", sent, job, seconds=seconds, failed=failed, attributes=attributes, link=link)

    def _over(
        self,
        name: str,
        kind: Kind,
        traceparent: str,
        parent: str | None,
        *,
        seconds: float,
        attributes: Attributes,
        failed: str | None = None,
        link: str | None = None,
    ) -> None:
        if sampled(traceparent):
            began = time.time() - seconds
            self._spans.emit(Span(name, kind, traceparent, parent, began, seconds, attributes, failed, link))
