"""The picture of a run: every chart of every section, on one page of SVG."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.kit.report import Chart, Report

COLUMNS = 2
WIDTH, HEIGHT = 5.2, 3.1
"""Inches of one chart."""

MOST_LABELS = 8
BAR = 0.8
"""The part of its place that a group of bars fills."""


def write_picture(path: Path, reports: Sequence[Report]) -> None:
    """Draw all charts, two in a row."""
    charts = [chart for report in reports for chart in report.charts]
    rows = max(1, -(-len(charts) // COLUMNS))
    page = Figure(figsize=(COLUMNS * WIDTH, rows * HEIGHT), layout="constrained")
    for number, chart in enumerate(charts):
        draw(page.add_subplot(rows, COLUMNS, number + 1), chart)
    page.savefig(path, format="svg", metadata={"Date": None})


def draw(axes: Axes, chart: Chart) -> None:
    """Draw one chart: curves, or bars, which lie on their side where their names are long."""
    axes.set_title(chart.title, fontsize="medium")
    if chart.lines:
        _curves(axes, chart)
    elif len(chart.series) == 1:
        _lying(axes, chart)
    else:
        _standing(axes, chart)
    if len(chart.series) > 1:
        axes.legend(fontsize="x-small", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize="x-small")


def _curves(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.places))
    for name, values in chart.series.items():
        axes.plot(places, values, label=name)
    step = -(-len(places) // MOST_LABELS)
    axes.set_xticks(places[::step], chart.places[::step])
    axes.set_ylim(bottom=0)
    axes.set_ylabel(chart.unit, fontsize="x-small")


def _standing(axes: Axes, chart: Chart) -> None:
    width = BAR / len(chart.series)
    for number, (name, values) in enumerate(chart.series.items()):
        offset = (number - (len(chart.series) - 1) / 2) * width
        drawn = axes.bar([place + offset for place in range(len(chart.places))], values, width, label=name)
        axes.bar_label(drawn, fmt="{:,.0f}", fontsize="xx-small")
    axes.set_xticks(range(len(chart.places)), chart.places)
    axes.set_ylabel(chart.unit, fontsize="x-small")


def _lying(axes: Axes, chart: Chart) -> None:
    (values,) = chart.series.values()
    drawn = axes.barh(chart.places, values)
    axes.bar_label(drawn, fmt="{:,.1f}", fontsize="xx-small", padding=2)
    axes.invert_yaxis()
    axes.set_xlabel(chart.unit, fontsize="x-small")
