"""The operations of an API: what its routes take, as a gateway names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.model.errors import ConfigError
from sidecar.settings.routes import RouteSettings

VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
"""The methods that an operation of WSO2 can have."""
JOB: Final = "/_jobs/{job_id}"
RESULT: Final = "/_jobs/{job_id}/results/{service}"
KEYS: Final = "/_keys"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path of the API; without a route it asks the sidecar itself, and always goes there."""

    verb: str
    target: str  # below the API's context and version
    route: RouteSettings | None = None


def common_base(routes: Sequence[RouteSettings]) -> str:
    """Find the literal segments that all routes begin with, and leave each route something to tell it apart by."""
    paths = [[part for part in route.path.split("/") if part] for route in routes]
    shared = []
    for parts in zip(*(path[:-1] for path in paths), strict=False):
        if len(set(parts)) > 1 or "{" in parts[0]:
            break
        shared.append(parts[0])
    return "".join(f"/{part}" for part in shared)


def api_operations(routes: Sequence[RouteSettings], base_path: str) -> tuple[Operation, ...]:
    """List the operations for the routes below the base path, and those that ask about jobs and keys.

    Paths that differ only in the names of their variables become one path, with the names of the first.

    Raises:
        ConfigError: no route is there, or one has a method that WSO2 cannot have.
    """
    found: list[Operation] = []
    names: dict[str, str] = {}
    for route in routes:
        below = _below(route.path, base_path)
        if below is None:
            continue
        shape = "/".join("{}" if part.startswith("{") else part for part in below.split("/"))
        target = names.setdefault(shape, below)
        for verb in dict.fromkeys(route.methods):
            if verb not in VERBS:
                raise ConfigError(f"{route.path}: WSO2 has no operation for {verb}; it has {', '.join(VERBS)}")
            found.append(Operation(verb, target, route))
    if not found:
        beginnings = ", ".join(dict.fromkeys(route.path for route in routes))
        raise ConfigError(f"--base-path: no route begins with {base_path}; the routes are {beginnings}")
    return (*found, Operation("GET", JOB), Operation("GET", RESULT), Operation("GET", KEYS))


def _below(path: str, base_path: str) -> str | None:
    if path == base_path:
        return "/"
    return path.removeprefix(base_path) if path.startswith(base_path + "/") else None
