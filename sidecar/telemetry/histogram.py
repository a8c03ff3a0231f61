"""Histograms whose observation is one bisection and two additions."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import HistogramMetricFamily

# From a fast commit to the longest time-out; fixed, so that dashboards can rely on them.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: of what one process does."""

LONG_BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0)
"""Seconds: of what waits for others, up to the 12 hours of a retry sequence."""

BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Rows of one group commit."""

OTHER = "other"
"""The label of what the settings do not name (any more)."""


class Histogram:
    """Counts values by upper bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; durations are seconds."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def export(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Export in the form that Prometheus wants: each bucket includes all smaller ones."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


class Histograms:
    """One histogram for each member of a closed set, and one for what is not in it.

    Args:
        name: The name of the metric, without ``sidecar_``.
        text: What it tells.
        labels: The names of the labels.
        values: Their values: all series are there from the start.
        bounds: The bounds of the buckets.
    """

    __slots__ = ("_cells", "_help", "_labels", "_name", "_other")

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        values: Iterable[tuple[str, ...]],
        *,
        bounds: Sequence[float] = BOUNDS,
    ) -> None:
        self._name, self._help, self._labels = f"sidecar_{name}", text, labels
        self._cells = {value: Histogram(bounds) for value in values}
        self._other = self._cells.setdefault((OTHER,) * len(labels), Histogram(bounds))

    def of(self, *values: str) -> Histogram:
        """Return the histogram of these values of labels."""
        return self._cells.get(values, self._other)

    def family(self) -> HistogramMetricFamily:
        """Export all of them."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for values, cell in self._cells.items():
            cell.export(family, values)
        return family
