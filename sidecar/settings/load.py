"""Read the settings: a YAML file, what the environment overrides, and all checks that need no network."""

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError

from sidecar.model.errors import ConfigError
from sidecar.settings.checks import contradictions
from sidecar.settings.complaints import complaints
from sidecar.settings.environment import read_environment
from sidecar.settings.root import Settings
from sidecar.settings.route_table import RouteTable
from sidecar.settings.routes import RouteSettings
from sidecar.settings.section import Section

DEFAULT_FILE: Final = Path("sidecar.yaml")
_SECTIONS_WITHOUT_DEFAULT: Final = ("gateway", "callbacks", "database")


def load_settings(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``path`` and the environment, which overrides the file.

    Without a path, ``sidecar.yaml`` is read if it is there. ``environ`` defaults to the environment of the process.

    Raises:
        ConfigError: with one line for each problem, ``section.key: what is wrong; remedy``.
    """
    data = read_settings_file(path)
    overrides = read_environment(os.environ if environ is None else environ)
    return build_settings(_merge(data, overrides))


def read_settings_file(path: Path | None) -> dict[str, Any]:
    """Read what the file holds, as it stands there; nothing without a path and without a ``sidecar.yaml``.

    Raises:
        ConfigError: It cannot be read, or holds no sections.
    """
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    return _read_file(path) if path is not None else {}


class _RoutesOnly(Section):
    """The part of the settings that says what the sidecar serves."""

    routes: tuple[RouteSettings, ...] = Field(min_length=1)


def load_routes(path: Path | None) -> tuple[RouteSettings, ...]:
    """Read only the routes of a settings file, for commands that need no database and no secrets.

    Raises:
        ConfigError: with one line for each problem.
    """
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    if path is None:
        raise ConfigError("routes: there is no settings file; name one with --config")
    data = _read_file(path)
    try:
        routes = _RoutesOnly(routes=data.get("routes") or ()).routes
    except ValidationError as error:
        raise ConfigError("\n".join(complaints(error, _RoutesOnly))) from None
    RouteTable(routes)
    return routes


def build_settings(data: Mapping[str, Any]) -> Settings:
    """Make settings of nested values as the YAML file holds them, and run all checks.

    Raises:
        ConfigError: with one line for each problem.
    """
    sections = {name: {} for name in _SECTIONS_WITHOUT_DEFAULT} | {
        name: section for name, section in data.items() if section is not None
    }
    try:
        settings = Settings(**sections)
    except ValidationError as error:
        raise ConfigError("\n".join(complaints(error, Settings))) from None  # the cause may hold secrets
    troubles = list(contradictions(settings))
    try:
        RouteTable(settings.routes)
    except ConfigError as error:
        troubles.append(str(error))
    if troubles:
        raise ConfigError("\n".join(troubles))
    return settings


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may stand only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the signature is the library's
        """Refuse a second key of the same name, which YAML would let win silently."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name} is there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name the file with --config") from error
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{place}: is not YAML; {error.problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{path}: is not YAML") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"{path}: must hold sections with keys, like database: with dsn: below it")
    return data


def _merge(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(data)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
