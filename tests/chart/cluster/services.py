"""Services of the fake cluster: a loopback port each, whose connections go to ready pods in turn.

Nodes learn late that a pod is going: for ``LAG`` seconds new connections still lead to it, as they may in a cluster.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sidecar.dev.ports import free_port
from tests.chart.cluster.controllers import going, ready
from tests.chart.cluster.store import Object, Store

LAG = 0.5
CHUNK = 65536
PortOf = Callable[[str, str], int]


@dataclass
class Service:
    """One port of one Service."""

    name: str
    port: int
    at: int = field(default_factory=free_port)
    server: asyncio.Server | None = None


class Services:
    """Balances connections.

    Args:
        store: The objects.
        port_of: The port on this host of a pod's named port.
    """

    def __init__(self, store: Store, *, port_of: PortOf) -> None:
        self._store = store
        self._port_of = port_of
        self._services: dict[tuple[str, int], Service] = {}
        self._turn = itertools.count()
        self._left: dict[str, float] = {}
        self._pipes: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.refused: list[str] = []  # connections that found nobody, or a pod that did not take them

    def address(self, name: str, port: int) -> str | None:
        """Where a Service is on this host; nothing if there is none of that name."""
        found = self._store.get("services", name)
        if found is None or not any(entry["port"] == port for entry in found["spec"]["ports"]):
            return None
        return f"127.0.0.1:{self._service(name, port).at}"

    def _service(self, name: str, port: int) -> Service:
        return self._services.setdefault((name, port), Service(name, port))

    async def reconcile(self) -> None:
        """Listen for each Service that there is."""
        for found in self._store.all("services"):
            for entry in found["spec"]["ports"]:
                service = self._service(found["metadata"]["name"], entry["port"])
                if service.server is None:
                    service.server = await asyncio.start_server(self._acceptor(service), "127.0.0.1", service.at)

    def _acceptor(self, service: Service) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(service, reader, writer))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

        return accept

    async def _serve(self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            pods = self._endpoints(service)
            if not pods:
                self.refused.append(f"{service.name}: no pod is ready")
                return
            pod = pods[next(self._turn) % len(pods)]
            target = self._store.get("services", service.name)
            if target is None:
                return
            try:
                there = await asyncio.open_connection(
                    "127.0.0.1", self._port_of(pod, target["spec"]["ports"][0]["targetPort"])
                )
            except OSError as error:
                self.refused.append(f"{service.name}: {pod}: {error}")
                return
            try:
                await _join((reader, writer), there)
            finally:
                there[1].close()
        finally:
            writer.close()

    def _endpoints(self, service: Service) -> list[str]:
        found = self._store.get("services", service.name)
        if found is None:
            return []
        selector = found["spec"]["selector"].items()
        pods = [pod for pod in self._store.all("pods") if selector <= pod["metadata"]["labels"].items()]
        return sorted(pod["metadata"]["name"] for pod in pods if self._reached(pod))

    def _reached(self, pod: Object) -> bool:
        if not going(pod):
            return ready(pod)
        now = asyncio.get_running_loop().time()
        return now - self._left.setdefault(pod["metadata"]["name"], now) < LAG

    def note_leavers(self) -> None:
        """Remember when each pod began to go."""
        for pod in self._store.all("pods"):
            if going(pod):
                self._reached(pod)

    async def stop(self) -> None:
        """Stop listening and cut all connections."""
        for service in self._services.values():
            if service.server is not None:
                service.server.close()
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(one: Stream, other: Stream) -> None:
    """Pass bytes both ways until one side ends."""
    ways = [asyncio.create_task(_pass(one[0], other[1])), asyncio.create_task(_pass(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
