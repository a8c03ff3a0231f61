"""The example file: it is complete, it is right, and what it states as defaults are the defaults."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from sidecar.settings.load import build_settings, load_settings
from tests.unit.settings.builders import make_settings

EXAMPLE = Path(__file__).parents[3] / "docs" / "sidecar.example.yaml"
INLINE_SECRETS = {"secret", "token_secrets", "password", "access_key", "secret_key"}
NOT_IN_THE_EXAMPLE = {  # alternatives to what it shows
    "offload.signing": {"access_key_file", "secret_key_file"},
    "callbacks.tls": {"client_ca_file", "client_certificates"},
    "admin.tls": {"client_ca_file", "client_certificates"},
    "sealing": {"keys"},
    "webhook.signing": {"ed25519_key_file", "secrets", "ed25519_key"},
}


@pytest.fixture
def example() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return data


def site_lines() -> set[int]:
    """The lines whose comment says that the value is an example site's."""
    lines = EXAMPLE.read_text().splitlines()
    return {number for number, line in enumerate(lines) if "# site" in line}


def leaves(node: yaml.MappingNode, prefix: str = "") -> Iterator[tuple[str, yaml.Node, int]]:
    """Each leaf of the file with its dotted name and line; lists count as leaves."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and key.start_mark.line not in site_lines():
            yield from leaves(value, f"{name}.")
        else:
            yield name, value, key.start_mark.line


def at(model: Any, name: str) -> Any:
    for part in name.split("."):
        model = model[part]
    return model


def test_the_example_is_loaded_whole() -> None:
    settings = load_settings(EXAMPLE, {})
    assert settings.routes[0].path == "/orders/{order_id}/report"


def test_every_default_that_the_example_states_is_the_default() -> None:
    root = yaml.compose(EXAMPLE.read_text())
    assert isinstance(root, yaml.MappingNode)
    stated = load_settings(EXAMPLE, {}).model_dump()
    defaults = make_settings(
        gateway__identity={"type": "shared_secret", "secret_file": "/secrets/gateway-key"}, offload={}
    ).model_dump()
    names = [name for name, _, line in leaves(root) if line not in site_lines()]
    assert len(names) > 60
    assert {name: at(stated, name) for name in names} == {name: at(defaults, name) for name in names}


def sections(section: BaseModel, data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, set[str], set[str]]]:
    """Each section below one: its name, the settings it has, and those that the file writes."""
    yield prefix, set(type(section).model_fields), set(data)
    for name, written in data.items():
        inner = getattr(section, name)
        if isinstance(inner, BaseModel):
            yield from sections(inner, written, f"{prefix}.{name}".removeprefix("."))


def test_the_example_shows_every_setting(example: dict[str, Any]) -> None:
    left_out = {
        name: there - written - INLINE_SECRETS - NOT_IN_THE_EXAMPLE.get(name, set())
        for name, there, written in sections(build_settings(example), example)
    }
    assert {name: keys for name, keys in left_out.items() if keys} == {}


def test_the_example_shows_every_setting_of_routes_and_services(example: dict[str, Any]) -> None:
    settings = build_settings(example)
    route = settings.routes[0]
    assert set(type(route).model_fields) == set(example["routes"][0])
    services = example["routes"][0]["services"]
    assert set(type(route.services[0]).model_fields) == set(services[0]) | set(services[1])
