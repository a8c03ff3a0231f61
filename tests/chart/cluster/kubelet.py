"""Runs the pods of the fake cluster as processes, and tells how they are."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientSession

from tests.acceptance.harness.waiting import tick
from tests.chart.cluster.mounts import Missing, ServiceAddress, View
from tests.chart.cluster.process import Container
from tests.chart.cluster.store import Object, Store

PAUSE = 0.5  # seconds before a container that ended is started again
LOOK = 0.05  # seconds between two looks at a pod's containers


class Pod:
    """A pod's life: mount, start, probe, tell, end."""

    def __init__(self, found: Object, store: Store, *, root: Path, logs: Path, address: ServiceAddress) -> None:
        self.name: str = found["metadata"]["name"]
        self.owner: str = next((owner["kind"] for owner in found["metadata"].get("ownerReferences", ())), "")
        self._spec = found["spec"]
        self._store = store
        self._root = root
        self._keeps = self._spec.get("restartPolicy", "Always") == "Always"
        self.containers = []
        self._views = []
        for container in self._spec["containers"]:
            view = View(root, container, address=address)
            self._views.append(view)
            log = logs / f"{self.name}.{container['name']}.log"
            self.containers.append(Container(container, view=view, log=log))
        self._going = asyncio.Event()

    def go(self) -> None:
        """Say that the pod shall end."""
        self._going.set()

    async def run(self) -> None:
        """Run to the end, whoever brings it about."""
        try:
            await self._mount()
            async with ClientSession() as session, asyncio.TaskGroup() as tasks:
                lives = [tasks.create_task(self._live(container, session)) for container in self.containers]
                telling = tasks.create_task(self._tell_often())
                going = tasks.create_task(self._going.wait())
                await asyncio.wait([going, tasks.create_task(_all(lives))], return_when=asyncio.FIRST_COMPLETED)
                if self._going.is_set():
                    for life in lives:
                        life.cancel()
                    await asyncio.wait(lives)
                    self._tell("Running", ready=False)
                    await asyncio.gather(*(each.stop(self._grace) for each in self.containers))
                telling.cancel()
                going.cancel()
            codes = [container.exit_code for container in self.containers]
            self._tell("Succeeded" if not any(codes) else "Failed", ready=False)
            await self._going.wait()
            self._store.remove("pods", self.name)
        finally:
            for container in self.containers:
                container.kill()
                with suppress(AssertionError):
                    await container.until_ended()
            shutil.rmtree(self._root, ignore_errors=True)

    @property
    def _grace(self) -> float:
        return float(self._spec.get("terminationGracePeriodSeconds", 30))

    async def _mount(self) -> None:
        while True:
            try:
                for view in self._views:
                    view.mount(self._store, self._spec.get("volumes", []))
            except Missing:
                await tick(LOOK)
            else:
                return

    async def _live(self, container: Container, session: ClientSession) -> None:
        """Start it, and start it again after its end or when it seems dead, if the pod keeps its containers."""
        while True:
            await container.start()
            ended = asyncio.create_task(container.until_ended())
            watched = asyncio.create_task(self._watch(container, session))
            try:
                await asyncio.wait({ended, watched}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await container.stop(self._grace)
            finally:
                watched.cancel()
                ended.cancel()
                await asyncio.gather(watched, ended, return_exceptions=True)
            if not self._keeps:
                return
            container.restarts += 1
            await tick(PAUSE)

    async def _watch(self, container: Container, session: ClientSession) -> None:
        """Return when the container is to be started again."""
        if "startupProbe" not in container.spec:
            container.ready = True
            await asyncio.Event().wait()
        await container.watch(session, "startup")
        readiness = asyncio.create_task(container.watch(session, "readiness"))
        try:
            await container.watch(session, "liveness")
        finally:
            readiness.cancel()
            await asyncio.gather(readiness, return_exceptions=True)

    async def _tell_often(self) -> None:
        while True:
            self._tell("Running", ready=all(container.ready for container in self.containers))
            await tick(LOOK)

    def _tell(self, phase: str, *, ready: bool) -> None:
        conditions = [
            {"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady", "Initialized", "PodScheduled")
        ]
        statuses = [
            {"name": each.name, "ready": each.ready, "restartCount": each.restarts, "image": each.spec["image"]}
            for each in self.containers
        ]
        self._store.status("pods", self.name, {"phase": phase, "conditions": conditions, "containerStatuses": statuses})


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


class Kubelet:
    """Keeps a :class:`Pod` for each pod object."""

    def __init__(self, store: Store, *, folder: Path, address: ServiceAddress) -> None:
        self.pods: dict[str, Pod] = {}
        self.ended: list[Pod] = []
        self.broken: list[BaseException] = []  # faults of the cluster itself
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._folder = folder / "pods"
        self._store = store
        self._address = address
        self._runs: dict[asyncio.Task[None], Pod] = {}

    def reconcile(self) -> None:
        """Start pods that are new, end those that shall go."""
        for found in self._store.all("pods"):
            name = found["metadata"]["name"]
            if name not in self.pods:
                self._start(found)
            if "deletionTimestamp" in found["metadata"]:
                self.pods[name].go()

    def _start(self, found: Object) -> None:
        name = found["metadata"]["name"]
        pod = self.pods[name] = Pod(found, self._store, root=self._folder / name, logs=self.logs, address=self._address)
        run = asyncio.create_task(pod.run())
        self._runs[run] = pod
        run.add_done_callback(self._over)

    def _over(self, run: asyncio.Task[None]) -> None:
        pod = self._runs.pop(run)
        self.pods.pop(pod.name, None)
        self.ended.append(pod)
        if not run.cancelled() and (error := run.exception()) is not None:
            self.broken.append(error)

    async def stop(self) -> None:
        """End everything at once."""
        runs = list(self._runs)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
