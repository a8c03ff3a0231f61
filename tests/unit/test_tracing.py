import subprocess
import sys

from sidecar.telemetry.tracing import Span, Tracing, trace_of

JOB = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Kept:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.tracing = Tracing(self)

    def emit(self, span: Span, /) -> None:
        self.spans.append(span)


def test_a_service_with_a_trace_of_its_own_is_linked_and_the_callback_stays_in_ours() -> None:
    kept = Kept()
    kept.tracing.called_back(JOB, OTHERS, seconds=0.5, attributes={})
    (span,) = kept.spans
    assert (span.traceparent[3:35], span.parent, span.link) == (JOB[3:35], JOB, OTHERS)


def test_a_callers_broken_traceparent_is_no_parent() -> None:
    kept = Kept()
    kept.tracing.accepted(JOB, "00-broken", seconds=0.5, attributes={})
    assert kept.spans[0].parent is None


def test_nothing_is_told_of_a_trace_that_nobody_samples_or_of_a_job_without_one() -> None:
    kept, unsampled = Kept(), JOB[:-2] + "00"
    kept.tracing.accepted(unsampled, None, seconds=0.5, attributes={})
    kept.tracing.invoked(unsampled, unsampled, seconds=0.5, failed=None, attributes={})
    kept.tracing.called_back(None, None, seconds=0.5, attributes={})
    kept.tracing.attempted(None, None, retry=False, seconds=0.5, failed=None, attributes={})
    assert kept.spans == []


def test_the_trace_of_a_request_is_its_last_header_if_any() -> None:
    assert trace_of([("a", "b"), ("traceparent", JOB)]) == JOB
    assert trace_of([("traceparent", JOB), ("a", "b")]) is None


def test_without_the_setting_nothing_of_opentelemetry_is_loaded() -> None:
    code = "import sys, sidecar.app; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
