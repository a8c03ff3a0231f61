"""Write helm/values.schema.json and helm/README.md from the comments of helm/values.yaml: ``make generate``.

A comment above a key is its description, and a line ``@schema`` in it adds to what the default shows. Every key of a
map that is not open to the site needs a comment. The schema is closed, and ``config`` is the sidecar's own schema.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.settings.schema import settings_schema

CHART = Path(__file__).parents[1] / "helm"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
PAGE = CHART / "README.md"

HEAD = """# The chart's values

Written by `make generate` from the comments of `values.yaml`; do not edit it by hand.
[Kubernetes](../docs/kubernetes.md) tells how to install, upgrade and size. The schema is closed: a wrong or unknown
value is an error of helm.

Values for whole sites: `values-onprem.yaml` (an S3-compatible store, a private authority), `values-aws.yaml` (S3, IRSA,
RDS) and `values-dev.yaml` (a trial).
"""
TABLE = "| value | kind | default | what it is |\n|---|---|---|---|"

NOT_REQUIRED = {"Settings": {"database", "callbacks"}, "DatabaseSettings": {"dsn"}, "CallbackSettings": {"base_url"}}
"""What the settings need and the chart does not: it makes the one, and the environment may bring the other."""

QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
SHARED: dict[str, Any] = {
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "k8s.object": {"type": "object"},
    "k8s.list": {"type": "array", "items": {"type": "object"}},
    "k8s.resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": QUANTITIES, "limits": QUANTITIES, "claims": {"type": "array"}},
    },
}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """One key of the values file, with those below it if it is a closed group."""

    name: str
    text: str
    schema: Schema
    default: Any
    below: tuple["Value", ...]


def read_values() -> tuple[Value, ...]:
    """Read the values file and its comments.

    Raises:
        ValueError: a key has no comment, or its kind cannot be told.
    """
    text = VALUES.read_text("utf-8")
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    return tuple(_values(root, yaml.safe_load(text), text.splitlines(), ""))


def _values(node: yaml.MappingNode, data: Any, lines: list[str], prefix: str) -> Iterator[Value]:
    for key, child in node.value:
        name = f"{prefix}{key.value}"
        text, schema = _comment(lines, key.start_mark.line)
        if not text:
            raise ValueError(f"{name} has no comment above it")
        default = data[key.value]
        below: tuple[Value, ...] = ()
        if isinstance(child, yaml.MappingNode) and child.value and not schema:
            below = tuple(_values(child, default, lines, f"{name}."))
        if not below and not schema and isinstance(default, dict | list | None):
            raise ValueError(f"{name} needs a line @schema: its default does not tell its kind")
        yield Value(name, text, {**_kind_of(default), **schema}, default, below)


def _comment(lines: list[str], line: int) -> tuple[str, Schema]:
    words: list[str] = []
    schema: Schema = {}
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        text = lines[line].lstrip().removeprefix("#").strip()
        if text.startswith("@schema "):
            schema = yaml.safe_load(text.removeprefix("@schema "))
        else:
            words.insert(0, text)
    return " ".join(words), schema


def _kind_of(default: Any) -> Schema:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return {"type": kinds[type(default)]}


def render_schema() -> str:
    """Render values.schema.json."""
    defs = {**SHARED, **_settings()}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the newest that all versions of helm 3 know
        "title": "Values of the chart sidecar",
        **_group(read_values()),
        "$defs": dict(sorted(defs.items())),
    }
    schema["properties"]["global"] = {"type": "object", "description": "Helm's own, for charts that have this one in."}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _group(values: tuple[Value, ...]) -> Schema:
    properties = {value.name.rpartition(".")[2]: _property(value) for value in values}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(value: Value) -> Schema:
    if value.below:
        return {"description": value.text, **_group(value.below)}
    if "$ref" in value.schema:  # draft 7 reads nothing beside a reference
        return {"description": value.text, "allOf": [{"$ref": value.schema["$ref"]}]}
    return {"description": value.text, "default": value.default, **value.schema}


def _settings() -> dict[str, Schema]:
    """The settings' schema, without secrets and without what the chart brings."""
    root = settings_schema()
    del root["$schema"]
    defs: dict[str, Schema] = {"Settings": root, **root.pop("$defs")}
    for name, group in defs.items():
        properties = group.get("properties", {})
        for key in [key for key, found in properties.items() if key != "dsn" and '"writeOnly"' in json.dumps(found)]:
            del properties[key]
        if "required" in group:
            group["required"] = sorted(set(group["required"]) - NOT_REQUIRED.get(name, set()))
    return defs


def render_page() -> str:
    """Render the chart's README: one table."""
    return "\n".join([HEAD, TABLE, *_rows(read_values())]) + "\n"


def _rows(values: tuple[Value, ...]) -> Iterator[str]:
    for value in values:
        if value.below:
            yield f"| **`{value.name}`** | | | {_cell(value.text)} |"
            yield from _rows(value.below)
        else:
            yield f"| `{value.name}` | {_kind(value)} | {_default(value.default)} | {_cell(value.text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _kind(value: Value) -> str:
    if value.name == "config":
        return "[settings](../docs/settings.md)"
    if "enum" in value.schema:
        return ", ".join(f"`{option}`" for option in value.schema["enum"])
    kind = value.schema["type"]
    names = {"boolean": "true, false", "integer": "number", "string": "text", "object": "key: value", "array": "list"}
    return " or ".join(names[one] for one in ([kind] if isinstance(kind, str) else kind))


def _default(value: Any) -> str:
    if value in ("", {}) or value == []:
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{re.sub(r'[{}]', lambda brace: brace[0], text)}`"


if __name__ == "__main__":
    SCHEMA.write_text(render_schema(), "utf-8")
    PAGE.write_text(render_page(), "utf-8")
