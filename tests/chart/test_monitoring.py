"""Alerts and dashboard speak of metrics and labels that the sidecar has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from sidecar.ledger import LedgerStats
from sidecar.telemetry.metrics import Metrics

FILES = Path(__file__).parents[2] / "helm" / "files"
OF_PROMETHEUS = {"namespace", "pod", "service", "job", "instance", "le"}
NAME = re.compile(r"\b(?:sidecar|process|python)_[a-z_]+\b")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")


def expressions() -> Iterator[str]:
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text("utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads((FILES / "dashboard.json").read_text("utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


async def exported() -> tuple[set[str], set[str]]:
    """The names of all series and of all labels."""
    stats = LedgerStats()
    counts = {name: {"accept": 1} for name in ("statements", "batches", "rows", "rejected")}
    metrics = Metrics(statements=lambda: {**counts, "outcomes": stats.outcomes})
    names: set[str] = set()
    labels: set[str] = set()
    for family in text_string_to_metric_families((await metrics.expose()).decode()):
        for sample in family.samples:
            names.add(sample.name)
            labels |= sample.labels.keys()
    return names, labels


async def test_every_metric_and_label_exists() -> None:
    names, labels = await exported()
    found = list(expressions())
    assert len(found) > 10
    for expression in found:
        used = set(NAME.findall(expression))
        assert used, expression
        assert used <= names, expression
        grouped = {word.strip() for group in GROUPING.findall(expression) for word in group.split(",")}
        assert set(MATCHER.findall(expression)) | grouped <= labels | OF_PROMETHEUS, expression


def test_every_alert_tells_what_to_do() -> None:
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() >= {"summary", "description"}
            assert rule["labels"]["severity"] in {"critical", "warning"}


def test_panels_do_not_lie_on_each_other() -> None:
    panels = json.loads((FILES / "dashboard.json").read_text("utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
