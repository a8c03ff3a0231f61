"""The HTTP side of the fake cluster: as much of Kubernetes' API as real helm 3 and helm 4 use.

Strategic merge patches are applied by real kubectl, so that their meaning is Kubernetes' own. A server-side apply
replaces the object, which is right as long as helm is the only one that applies.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.chart.cluster.store import KINDS, Object, Store

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
INITIAL_END = {"k8s.io/initial-events-end": "true"}


class Api:
    """Answers helm and kubectl.

    Args:
        store: The objects.
        kubectl: The program that applies strategic merge patches.
        logs: Where the logs of the pods' containers are, POD.CONTAINER.log.
    """

    def __init__(self, store: Store, *, kubectl: Path, logs: Path) -> None:
        self._store = store
        self._kubectl = kubectl
        self._logs = logs
        self.unknown: list[str] = []  # requests that only a real server could answer
        self._over = asyncio.Event()

    def stop(self) -> None:
        """End the watches."""
        self._over.set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_get("/version", self._version)
        app.router.add_get("/api", self._core)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/openapi/v3", self._specifications)
        app.router.add_get("/openapi/v3/{path:.*}", self._specification)
        for version in KINDS:
            base = f"/{path(version)}"
            app.router.add_get(base, self._resources)
            for prefix in (base, f"{base}/namespaces/{{namespace}}"):
                app.router.add_route("*", f"{prefix}/{{resource}}", self._collection)
                app.router.add_route("*", f"{prefix}/{{resource}}/{{name}}", self._object)
                app.router.add_get(f"{prefix}/{{resource}}/{{name}}/log", self._log)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        return app

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "linux/amd64"})

    async def _core(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _: web.Request) -> web.Response:
        groups = []
        for version in KINDS:
            if version != "v1":
                preferred = {"groupVersion": version, "version": "v1"}
                group = {"name": version.partition("/")[0], "versions": [preferred], "preferredVersion": preferred}
                groups.append(group)
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _resources(self, request: web.Request) -> web.Response:
        version = request.path.removeprefix("/apis/").removeprefix("/api/")
        found = [
            {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": VERBS}
            for name, kind in KINDS[version].items()
        ]
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": found}
        )

    async def _specifications(self, _: web.Request) -> web.Response:
        paths = {path(version): {"serverRelativeURL": f"/openapi/v3/{path(version)}"} for version in KINDS}
        return web.json_response({"paths": paths})

    async def _specification(self, request: web.Request) -> web.Response:
        """Say that the server checks fields itself, so that helm does not; test_documents.py checks them."""
        version = next(version for version in KINDS if path(version) == request.match_info["path"])
        group, _, number = version.rpartition("/")
        parameters = [{"name": "fieldValidation", "in": "query"}]
        paths = {}
        for name, kind in KINDS[version].items():
            identity = {"group": group, "version": number, "kind": kind}
            patch = {"parameters": parameters, "responses": {}, "x-kubernetes-group-version-kind": identity}
            paths[f"/{path(version)}/namespaces/{{namespace}}/{name}/{{name}}"] = {"patch": patch}
        return web.json_response({"openapi": "3.0.0", "info": {"title": "fake", "version": "1"}, "paths": paths})

    async def _unknown(self, request: web.Request) -> web.Response:
        self.unknown.append(f"{request.method} {request.path}")
        return failure(404, "NotFound", f"{request.path} is not there")

    async def _log(self, request: web.Request) -> web.Response:
        container = request.query.get("container", "")
        found = sorted(self._logs.glob(f"{request.match_info['name']}.{container or '*'}.log"))
        return web.Response(text="".join(path.read_text() for path in found))

    # Collections

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        resource = request.match_info["resource"]
        if not any(resource in kinds for kinds in KINDS.values()):
            return await self._unknown(request)
        if request.method == "POST":
            return await self._create(request, resource)
        if request.query.get("watch") in {"true", "1"}:
            return await self._watch(request, resource)
        items = [found for found in self._store.all(resource) if selected(found, request.query)]
        version, kind = identity(resource)
        document = {"kind": f"{kind}List", "apiVersion": version, "items": items}
        return web.json_response({**document, "metadata": {"resourceVersion": str(self._store.version)}})

    async def _create(self, request: web.Request, resource: str) -> web.Response:
        new = await read(request)
        name = new["metadata"]["name"]
        if self._store.get(resource, name) is not None:
            return failure(409, "AlreadyExists", f"{resource} {name!r} already exists")
        if "dryRun" in request.query:
            return web.json_response(new, status=201)
        return web.json_response(self._store.put(resource, new), status=201)

    async def _watch(self, request: web.Request, resource: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)

        async def tell(kind: str, item: Object) -> None:
            await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")

        async def follow() -> None:
            since = int(request.query.get("resourceVersion") or 0)
            if request.query.get("sendInitialEvents") == "true":
                since = self._store.version
                for found in self._store.all(resource):
                    if selected(found, request.query):
                        await tell("ADDED", found)
                version, kind = identity(resource)
                metadata = {"resourceVersion": str(since), "annotations": INITIAL_END}
                await tell("BOOKMARK", {"kind": kind, "apiVersion": version, "metadata": metadata})
            async with aclosing(self._store.changes(since)) as changes:
                async for change in changes:
                    if change.resource == resource and selected(change.object, request.query):
                        await tell(change.type, change.object)

        following = asyncio.create_task(follow())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({following, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            following.cancel()
            over.cancel()
            await asyncio.gather(following, over, return_exceptions=True)
        return response

    # Single objects

    async def _object(self, request: web.Request) -> web.StreamResponse:
        resource, name = request.match_info["resource"], request.match_info["name"]
        found = self._store.get(resource, name)
        applied = request.content_type == "application/apply-patch+yaml"
        if found is None and not applied:
            return failure(404, "NotFound", f'{resource} "{name}" not found')
        if request.method == "GET":
            return web.json_response(found)
        if request.method == "DELETE":
            return self._delete(resource, name)
        if request.method == "PUT" or applied:
            new = await read(request)
        elif request.method == "PATCH" and found is not None:
            new = await self._patched(request, found)
        else:
            return failure(405, "MethodNotAllowed", request.method)
        if "dryRun" in request.query:
            return web.json_response(new)
        new.pop("status", None)
        return web.json_response(self._store.put(resource, new))

    def _delete(self, resource: str, name: str) -> web.Response:
        if resource == "pods":
            self._store.mark_deleted(resource, name)
        else:
            self._store.remove(resource, name)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    async def _patched(self, request: web.Request, live: Object) -> Object:
        kind = {"application/strategic-merge-patch+json": "strategic", "application/merge-patch+json": "merge"}
        patch = await request.text()
        process = await asyncio.create_subprocess_exec(
            *(str(self._kubectl), "patch", "--local", "-f", "-", "-o", "json"),
            *("--type", kind[request.content_type], "-p", patch),
            env={"HOME": str(self._logs)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate(json.dumps(live).encode())
        if process.returncode:
            raise web.HTTPUnprocessableEntity(text=f"kubectl cannot apply {patch}")
        patched: Object = json.loads(printed)
        return patched


async def read(request: web.Request) -> Object:
    """Read an object; YAML is a superset of the JSON that most requests hold."""
    if "protobuf" in request.content_type:
        raise web.HTTPUnsupportedMediaType(text="this server reads JSON and YAML, no protobuf")
    found: Any = yaml.safe_load(await request.text())
    assert isinstance(found, dict)
    return found


def path(version: str) -> str:
    """Where a group and version is."""
    return f"api/{version}" if version == "v1" else f"apis/{version}"


def identity(resource: str) -> tuple[str, str]:
    """The group and version of a resource, and its kind."""
    return next((version, kinds[resource]) for version, kinds in KINDS.items() if resource in kinds)


def selected(found: Object, query: Mapping[str, str]) -> bool:
    """Whether a list or watch asks for this object."""
    metadata = found["metadata"]
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = term.partition("=")
        if {"metadata.name": metadata["name"], "metadata.namespace": "wso2"}.get(key) != value.lstrip("="):
            return False
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = term.partition("=")
        if metadata.get("labels", {}).get(key) != value.lstrip("="):
            return False
    return True


def failure(status: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
    return web.json_response({**body, "message": message}, status=status)
