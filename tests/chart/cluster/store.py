"""The objects of the fake cluster, and the changes that watchers see."""

import asyncio
import copy
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

Object = dict[str, Any]

KINDS = {
    "v1": {
        "configmaps": "ConfigMap",
        "secrets": "Secret",
        "services": "Service",
        "serviceaccounts": "ServiceAccount",
        "pods": "Pod",
    },
    "apps/v1": {"deployments": "Deployment", "replicasets": "ReplicaSet"},
    "batch/v1": {"jobs": "Job"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
"""What the cluster knows: resources by group and version. An object of another kind is refused."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one object."""

    version: int
    type: str  # ADDED, MODIFIED or DELETED
    resource: str
    object: Object


class Store:
    """All objects, by resource and name; there is one namespace."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._changes: list[Change] = []
        self._versions = itertools.count(1)
        self._news = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> int:
        return self._changes[-1].version if self._changes else 0

    @property
    def history(self) -> list[Change]:
        """Everything that happened, in order."""
        return self._changes

    def statuses(self, resource: str, name: str) -> list[Object]:
        """Every status that an object had."""
        found = (change.object for change in self._changes if change.resource == resource)
        return [each.get("status", {}) for each in found if each["metadata"]["name"] == name]

    def get(self, resource: str, name: str) -> Object | None:
        return self._objects.get((resource, name))

    def all(self, resource: str) -> Iterator[Object]:
        return iter([found for (kind, _), found in self._objects.items() if kind == resource])

    def owned(self, resource: str, owner: Object) -> list[Object]:
        uid = owner["metadata"]["uid"]
        return [
            found
            for found in self.all(resource)
            if any(owner["uid"] == uid for owner in found["metadata"].get("ownerReferences", ()))
        ]

    def put(self, resource: str, new: Object) -> Object:
        """Create or replace; a spec that changes counts the generation up, as the real server does."""
        metadata = new["metadata"]
        metadata.setdefault("namespace", "wso2")
        if resource == "services":
            new["spec"].setdefault("clusterIP", "10.96.0.1")  # helm waits until a Service has one
        old = self.get(resource, metadata["name"])
        if old is None:
            metadata |= {"uid": str(uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
        else:
            kept = old["metadata"]
            grown = new.get("spec") != old.get("spec")
            metadata |= {key: kept[key] for key in ("uid", "creationTimestamp")}
            metadata["generation"] = kept["generation"] + grown
            if "status" in old:
                new.setdefault("status", old["status"])
        self._record("ADDED" if old is None else "MODIFIED", resource, new)
        return new

    def status(self, resource: str, name: str, status: Object) -> None:
        """Replace the status, if the object is still there and the status is new."""
        found = self.get(resource, name)
        if found is not None and found.get("status") != status:
            self._record("MODIFIED", resource, {**copy.deepcopy(found), "status": status})

    def mark_deleted(self, resource: str, name: str) -> None:
        """Say that an object shall go; its keeper removes it."""
        found = self.get(resource, name)
        if found is not None and "deletionTimestamp" not in found["metadata"]:
            marked = copy.deepcopy(found)
            marked["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
            self._record("MODIFIED", resource, marked)

    def remove(self, resource: str, name: str) -> None:
        """Take an object away, and with it what it owns."""
        found = self.get(resource, name)
        if found is None:
            return
        self._record("DELETED", resource, found)
        for child in ("replicasets", "pods"):
            for owned in self.owned(child, found):
                if child == "pods":
                    self.mark_deleted(child, owned["metadata"]["name"])
                else:
                    self.remove(child, owned["metadata"]["name"])

    def _record(self, kind: str, resource: str, new: Object) -> None:
        version = next(self._versions)
        new["metadata"]["resourceVersion"] = str(version)
        key = (resource, new["metadata"]["name"])
        if kind == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = new
        self._changes.append(Change(version, kind, resource, copy.deepcopy(new)))
        waking = asyncio.get_running_loop().create_task(self._wake())
        self._waking.add(waking)
        waking.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def changes(self, since: int) -> AsyncGenerator[Change, None]:
        """Yield every change after a version, for ever."""
        while True:
            fresh = [change for change in self._changes if change.version > since]
            for change in fresh:
                since = change.version
                yield change
            async with self._news:
                await self._news.wait_for(lambda seen=since: self.version > seen)  # type: ignore[misc]

    async def until(self, condition: Callable[[], bool], *, timeout: float = 60.0) -> None:
        """Wait until the objects are so."""
        async with asyncio.timeout(timeout), aclosing(self.changes(self.version)) as changes:
            if condition():
                return
            async for _ in changes:
                if condition():
                    return
