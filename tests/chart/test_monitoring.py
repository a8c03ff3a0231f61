"""Alerts and dashboard can be read, and say what to do.

Whether what they name exists, `tests/acceptance/test_metrics.py` asks a real process.
"""

import re

import promql_parser

from tests.monitoring_files import FILES, alerts, expressions, panels


def test_every_expression_is_promql() -> None:
    found = list(expressions())
    assert len(found) > 40
    for expression in found:
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))  # Grafana puts a duration there


def test_every_alert_tells_what_to_do_and_links_to_its_place_in_the_runbook() -> None:
    runbook = (FILES.parents[1] / "docs" / "operations.md").read_text("utf-8")
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)}
    for rule in alerts():
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in anchors


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())
