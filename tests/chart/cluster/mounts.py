"""What a pod's container sees, on a host where all pods share one file system and one loopback.

Volumes become folders of the pod. Absolute paths below a mount, addresses of Services and ports cannot be the same as
in a real pod, so they are replaced: in arguments, environment and mounted files, and by the environment for listeners.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chart.cluster.store import Object, Store

ServiceAddress = Callable[[str, int], str | None]


class Missing(Exception):  # noqa: N818 - the pod waits for it, as a real one does
    """A ConfigMap or Secret that is mounted is not there."""


class View:
    """The file system and the addresses as one container sees them.

    Args:
        root: The pod's folder.
        container: Its part of the pod's specification.
        address: Where a Service is: its host and port as they are on this host.
    """

    def __init__(self, root: Path, container: Object, *, address: ServiceAddress) -> None:
        self._root = root
        self._mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", ())}
        paths = "|".join(re.escape(path) for path in sorted(self._mounts.values(), key=len, reverse=True))
        self._path = re.compile(rf"(?<![\w/.])({paths})(?=/)") if paths else None
        self._address = address

    def translate(self, text: str) -> str:
        """Replace what is elsewhere on this host."""
        if self._path is not None:
            text = self._path.sub(lambda found: f"{self._root}{found[1]}", text)
        return re.sub(r"http://([a-z0-9-]+)(?:\.[a-z0-9-]+\.svc)?:(\d+)", self._service, text)

    def _service(self, found: re.Match[str]) -> str:
        address = self._address(found[1], int(found[2]))
        return f"http://{address}" if address else found[0]

    def mount(self, store: Store, volumes: list[Object]) -> None:
        """Write the files of the volumes.

        Raises:
            Missing: something is not there yet.
        """
        for volume in volumes:
            path = self._mounts.get(volume["name"])
            if path is None:
                continue
            folder = self._root / path.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in _files(store, volume):
                target = folder / name
                target.write_text(self.translate(content))
                target.chmod(0o444)


def _files(store: Store, volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in volume.get("projected", {}).get("sources", [volume]):
        if "configMap" in source:
            yield from _found(store, "configmaps", source["configMap"]["name"])["data"].items()
        elif "secret" in source:
            secret = _found(store, "secrets", source["secret"].get("name") or source["secret"]["secretName"])
            yield from ((name, base64.b64decode(data).decode()) for name, data in secret["data"].items())


def _found(store: Store, resource: str, name: str) -> Object:
    found = store.get(resource, name)
    if found is None:
        raise Missing(f"{resource} {name}")
    return found
