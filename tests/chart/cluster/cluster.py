"""A fake cluster: an API server with objects, and controllers that run them as processes on this host.

What it is: real helm talks to it, hooks and Deployments run ``sidecar`` as processes, probes are asked, preStop,
SIGTERM and grace periods are kept to, a rolling update keeps within maxSurge and maxUnavailable, and Services balance
over ready pods.
What it is not: no image is pulled, no user, memory limit, read-only root or NetworkPolicy is enforced, nothing is
scheduled, and all pods share one loopback.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from aiohttp import web

from sidecar.dev.ports import free_port
from tests.chart.cluster.api import Api
from tests.chart.cluster.controllers import reconcile
from tests.chart.cluster.kubelet import Kubelet, Pod
from tests.chart.cluster.services import Services
from tests.chart.cluster.store import Store
from tests.chart.tools import Tools


class Cluster:
    """All parts, connected.

    Args:
        folder: An empty folder for it.
        tools: The programs that talk to it.
        releases: Address of a database for helm's releases.
    """

    def __init__(self, folder: Path, tools: Tools, *, releases: str) -> None:
        self.store = Store()
        self.kubelet = Kubelet(self.store, folder=folder, address=self._address)
        self.services = Services(self.store, port_of=self._port_of)
        self.api = Api(self.store, kubectl=tools.kubectl, logs=self.kubelet.logs)
        self._tools = tools
        self._folder = folder
        self._releases = releases
        self._port = free_port()
        self._runner = web.AppRunner(self.api.application(), shutdown_timeout=1)

    @property
    def serving(self) -> list[Pod]:
        """The Deployment's pods that run."""
        return [pod for pod in self.kubelet.pods.values() if pod.owner == "ReplicaSet"]

    def url(self, service: str, port: int) -> str:
        """Where callers reach a Service."""
        address = self._address(service, port)
        assert address is not None
        return f"http://{address}"

    def _address(self, name: str, port: int) -> str | None:
        return self.services.address(name, port)

    def _port_of(self, pod: str, port: str) -> int:
        running = self.kubelet.pods.get(pod)
        return running.containers[0].ports[port] if running is not None else 1  # where nobody listens

    async def helm(self, *arguments: str) -> tuple[int, str]:
        """Run helm to its end: exit code, and what it printed."""
        home = self._folder / "home"
        process = await asyncio.create_subprocess_exec(
            *(str(self._tools.helm), *arguments, "--namespace", "wso2"),
            env={
                "HOME": str(home),
                "KUBECONFIG": str(self._folder / "kubeconfig"),
                # Releases as Secrets travel as protobuf, which this server does not read.
                "HELM_DRIVER": "sql",
                "HELM_DRIVER_SQL_CONNECTION_STRING": self._releases,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        cluster = {"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "", "namespace": "wso2"}}
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
        (self._folder / "kubeconfig").write_text(json.dumps({**config, "current-context": "fake"}))
        (self._folder / "kubeconfig").chmod(0o600)

    async def control(self) -> None:
        """Let the controllers work, for ever."""
        async with aclosing(self.store.changes(0)) as changes:
            async for change in changes:
                if change.version < self.store.version:
                    continue  # only the newest state counts
                self.services.note_leavers()
                reconcile(self.store)
                self.kubelet.reconcile()
                await self.services.reconcile()

    async def stop(self) -> None:
        self.api.stop()
        await self.kubelet.stop()
        await self.services.stop()
        await self._runner.cleanup()

    def tail(self) -> str:
        """The ends of all logs."""
        parts = []
        for path in sorted(self.kubelet.logs.glob("*.log")):
            lines = [line[:400] for line in path.read_text(errors="replace").splitlines()]
            parts.append("\n  ".join([f"the log of {path.stem} ends with:", *lines[-8:]]))
        pods = [(pod["metadata"]["name"], pod.get("status")) for pod in self.store.all("pods")]
        return "\n".join([*parts, f"pods: {pods}", f"asked and not answered: {self.api.unknown}"])


@asynccontextmanager
async def open_cluster(folder: Path, tools: Tools, *, releases: str) -> AsyncIterator[Cluster]:
    """Run a cluster for a test, and end everything that it started; a failure shows the logs."""
    cluster = Cluster(folder, tools, releases=releases)
    await cluster.start()
    control = asyncio.create_task(cluster.control())
    try:
        yield cluster
        assert not control.done(), control.exception()
        assert cluster.kubelet.broken == []
    except BaseException as error:
        error.add_note(cluster.tail())
        if control.done() and not control.cancelled():
            error.add_note(f"the controllers broke: {control.exception()!r}")
        raise
    finally:
        control.cancel()
        await asyncio.gather(control, return_exceptions=True)
        await cluster.stop()
