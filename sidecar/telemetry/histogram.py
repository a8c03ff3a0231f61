"""A histogram of seconds whose observation is one bisection and two additions."""

from bisect import bisect_left

from prometheus_client.core import HistogramMetricFamily

# From a fast commit to the longest time-out; fixed, so that dashboards can rely on them.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Histogram:
    """Counts durations by upper bound."""

    __slots__ = ("_counts", "_help", "_name", "_sum")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._help = text
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration, in seconds."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def family(self) -> HistogramMetricFamily:
        """Export in the form that Prometheus wants: each bucket includes all smaller ones."""
        buckets, total = [], 0
        for bound, count in zip((*BOUNDS, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        family = HistogramMetricFamily(self._name, self._help)
        family.add_metric([], buckets=buckets, sum_value=self._sum)
        return family
