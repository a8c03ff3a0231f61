"""The JSON Schema of the settings."""

from collections.abc import Iterator
from typing import Any

from sidecar.settings.schema import settings_schema


def properties() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each setting: its name, its schema, and whether it must be given."""
    schema = settings_schema()
    for title, group in [("", schema), *schema["$defs"].items()]:
        for name, setting in group.get("properties", {}).items():
            target = schema["$defs"].get(setting.get("$ref", "").rpartition("/")[2], {})
            yield (
                f"{title}.{name}",
                {"description": target.get("description"), **setting},
                name in group.get("required", ()),
            )


def test_every_setting_has_a_description() -> None:
    assert [name for name, setting, _ in properties() if not setting.get("description")] == []


def test_every_setting_has_a_default_or_must_be_given() -> None:
    assert [name for name, setting, required in properties() if required is ("default" in setting)] == []


def test_every_duration_and_size_says_that_it_is_one() -> None:
    words = {"duration-in-words": "duration", "size-in-words": "size"}
    silent = [
        name
        for name, setting, _ in properties()
        for kind in [setting, *setting.get("anyOf", ())]
        if kind.get("format") in words and words[kind["format"]] not in setting["description"]
    ]
    assert silent == []


def test_defaults_are_written_as_people_write_them() -> None:
    gateway = settings_schema()["$defs"]["GatewaySettings"]["properties"]
    stated = {name: gateway[name]["default"] for name in ("listen", "wait", "max_body", "headers")}
    assert stated == {
        "listen": "0.0.0.0:8080",
        "wait": "2s",
        "max_body": "100MiB",
        "headers": {"count": 128, "field": "32KiB", "total": "64KiB"},
    }


def test_unknown_keys_are_errors_for_editors_too() -> None:
    schema = settings_schema()
    groups = [schema, *schema["$defs"].values()]
    assert all(group["additionalProperties"] is False for group in groups if group.get("type") == "object")
