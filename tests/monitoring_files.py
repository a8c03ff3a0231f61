"""The expressions of the alerts and of the dashboard that the chart ships, and what they speak of."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parents[1] / "helm" / "files"
OF_PROMETHEUS = {"namespace", "pod", "service", "job", "instance", "le"}
NAME = re.compile(r"\b(?:sidecar|process|python)_[a-z_]+\b")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FILES / "dashboard.json").read_text("utf-8"))["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for panel in panels():
        yield from (target["expr"] for target in panel.get("targets", ()))


def series_in(expression: str) -> set[str]:
    return set(NAME.findall(expression))


def labels_in(expression: str) -> set[str]:
    """The labels that come from the sidecar, and not from Prometheus."""
    grouped = {word.strip() for group in GROUPING.findall(expression) for word in group.split(",")}
    return (set(MATCHER.findall(expression)) | grouped) - OF_PROMETHEUS
