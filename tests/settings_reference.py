"""Write docs/settings.md from the JSON Schema of the settings: ``python -m tests.settings_reference``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sidecar.settings.schema import settings_schema

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# All settings

Written by `python -m tests.settings_reference`; do not edit it by hand. [Configuration](configuration.md) explains the
sections, and tells which settings are [not served yet](configuration.md#what-is-read-but-not-served)."""
TABLE = "| key | kind | default | what it is |\n|---|---|---|---|"
KINDS = {
    "duration-in-words": "duration",
    "size-in-words": "size",
    "host-port": "host:port",
    "port-range": "port",
    "path": "file",
    "password": "secret",
}

Schema = dict[str, Any]


def render() -> str:
    """Render the page: one table for each section, keys with dots, ``[]`` for the entries of a list."""
    root = settings_schema()
    parts = [HEAD]
    for name, found in root["properties"].items():
        section, _ = _object(found, root["$defs"])
        parts.append(f"\n## {name}\n\n{found.get('description', section.get('description', ''))}\n\n{TABLE}")
        suffix = "[]" if found.get("type") == "array" else ""
        parts += _rows(section, name + suffix, root["$defs"])
    return "\n".join(parts) + "\n"


def _rows(section: Schema, prefix: str, defs: Schema) -> Iterator[str]:
    for name, found in section.get("properties", {}).items():
        key = f"{prefix}.{name}"
        alternatives = [_object(option, defs)[0] for option in found.get("oneOf", [])]
        if "items" in found:
            alternatives += [_object(option, defs)[0] for option in found["items"].get("oneOf", [])]
            key += "[]" if alternatives else ""
        below, many = _object(found, defs)
        if alternatives:
            yield _row(key, "one of", found, required=name in section.get("required", ()))
            for option in alternatives:
                yield from _rows(option, f"{key} ({_const(option)})", defs)
        elif below.get("type") == "object" and "properties" in below:
            yield from _rows(below, key + ("[]" if many else ""), defs)
        else:
            described = {"description": below.get("description", ""), **found}  # an enumeration may bring its own
            yield _row(key, _kind(found, defs), described, required=name in section.get("required", ()))


def _row(key: str, kind: str, found: Schema, *, required: bool) -> str:
    default = "**required**" if required else _default(found.get("default"))
    text = " ".join(found.get("description", "").split()).replace("|", "\\|").replace("``", "`")
    return f"| `{key}` | {kind} | {default} | {text} |"


def _default(value: Any) -> str:
    if value is None:
        return "unset"
    if value in ("", [], {}):
        return "empty"
    return f"`{value if isinstance(value, str) else orjson.dumps(value).decode()}`"


def _object(found: Schema, defs: Schema) -> tuple[Schema, bool]:
    """Follow references to the schema of a group, and tell whether it is the entry of a list."""
    for option in (found, *found.get("anyOf", ())):
        if "$ref" in option:
            return defs[option["$ref"].rpartition("/")[2]], False
        if "$ref" in option.get("items", {}):
            return defs[option["items"]["$ref"].rpartition("/")[2]], True
    return found, False


def _const(option: Schema) -> str:
    return str(option["properties"]["type"]["const"])


def _kind(found: Schema, defs: Schema) -> str:
    if found.get("format") in KINDS:
        return KINDS[found["format"]]
    options = [option for option in found.get("anyOf", [found]) if option.get("type") != "null"]
    option = options[0]
    if "$ref" in option:
        option = defs[option["$ref"].rpartition("/")[2]]
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    if option.get("format") in KINDS:
        return KINDS[option["format"]]
    kind: str = option.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(option.get('items', {}), defs)}"
    return {"boolean": "true, false", "integer": "number", "string": "text", "object": "key: value"}.get(kind, kind)


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
