"""The chart knows the sidecar's settings, and its pages are up to date. ``make generate`` writes them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.settings.worker import WorkerSettings
from tests import chart_reference
from tests.chart_reference import PAGE, SCHEMA, render_page, render_schema

DRAFT_7 = {"$id", "$schema", "$ref", "title", "description", "default", "examples", "format", "readOnly", "writeOnly"}
DRAFT_7 |= {"type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
DRAFT_7 |= {"minLength", "maxLength", "pattern", "items", "minItems", "maxItems", "uniqueItems", "contains"}
DRAFT_7 |= {"properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"}
DRAFT_7 |= {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "definitions", "$defs", "patternProperties"}


def test_the_schema_of_the_values_is_up_to_date() -> None:
    assert SCHEMA.read_text("utf-8") == render_schema(), "run: make generate"


def test_the_page_of_the_values_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render_page(), "run: make generate"


def words(schema: Any) -> Iterator[str]:
    """Each word of JSON Schema that is used, without the names of properties and without what are mere values."""
    if not isinstance(schema, dict):
        return
    yield from schema
    for word in ("properties", "patternProperties", "$defs"):
        for below in schema.get(word, {}).values():
            yield from words(below)
    for word in ("allOf", "anyOf", "oneOf"):
        for below in schema.get(word, []):
            yield from words(below)
    for word in ("items", "additionalProperties", "propertyNames", "not", "contains"):
        yield from words(schema.get(word))


def test_the_schema_has_no_word_that_older_versions_of_helm_would_ignore() -> None:
    assert set(words(json.loads(render_schema()))) <= DRAFT_7 | {"discriminator"}  # a hint for generators of code


def test_the_schema_offers_no_place_for_a_secret() -> None:
    defs = json.loads(render_schema())["$defs"]
    offered = {
        f"{name}.{key}"
        for name, group in defs.items()
        for key, found in group.get("properties", {}).items()
        if "writeOnly" in json.dumps(found)
    }
    assert offered == {"DatabaseSettings.dsn"}  # which may not hold a password there


def test_a_value_without_a_comment_is_an_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("# Told.\none: 1\n\ntwo: 2\n")
    monkeypatch.setattr(chart_reference, "VALUES", values)
    with pytest.raises(ValueError, match="two has no comment"):
        chart_reference.read_values()


def test_the_chart_assumes_the_default_of_the_drain_timeout() -> None:
    helpers = (chart_reference.CHART / "templates" / "_helpers.tpl").read_text("utf-8")
    assert f'"drain_timeout") "{WorkerSettings().drain_timeout:.0f}s"' in helpers
    with pytest.raises(ValidationError):
        WorkerSettings.model_validate({"drain_timeout": "soon"})
