"""Sidecars under measurement: their settings, their processes, and the machine that they run on."""

import os
import platform
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psutil
import yaml

from benchmarks.kit.children import PeerProcess, child, until_answering
from benchmarks.kit.database import Standing
from benchmarks.kit.gauges import family_cpu_seconds, resident_bytes
from sidecar.dev.demo_config import Ports, token_secrets
from sidecar.dev.ports import free_port

CONCURRENCY = 64
"""Calls at once to one service and to one webhook endpoint, as the relay has connections to a host."""

SERVICES = (1, 2, 5)
"""There is a route for each of these numbers of services."""


@dataclass(frozen=True, slots=True)
class Target:
    """What can be put under load: one or several processes that serve alike."""

    name: str
    gateways: tuple[int, ...]
    callbacks: tuple[int, ...]
    pids: tuple[int, ...]
    metrics: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        """The process, where there is one."""
        return self.pids[0]

    def cpu_seconds(self) -> float:
        """CPU time so far, of all processes and their children."""
        return sum(family_cpu_seconds(pid) for pid in self.pids)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each process."""
        for pid in self.pids:
            os.kill(pid, number)

    def resident_bytes(self) -> int:
        """Memory that all processes hold, those of workers included."""
        every = [one.pid for pid in self.pids for one in psutil.Process(pid).children()]
        return sum(map(resident_bytes, [*self.pids, *every]))


@asynccontextmanager
async def run_peer(directory: Path) -> AsyncIterator[tuple[PeerProcess, str]]:
    """Run the load generator; also gives the URL of its service."""
    log = directory / "peer.log"
    async with child(["-m", "benchmarks.load.peer"], log=log, stdin=PIPE, stdout=PIPE) as process:
        peer = PeerProcess(process, log=log)
        yield peer, f"http://127.0.0.1:{(await peer.answer())['service']}/work"


@asynccontextmanager
async def run_sidecar(log: Path, settings: Path, ports: Ports, *, workers: int = 1) -> AsyncIterator[Target]:
    """Run ``sidecar serve`` until the end; ready when entered."""
    arguments = ["-m", "sidecar", "serve", "--config", str(settings), "--workers", str(workers)]
    async with child(arguments, log=log) as process:
        await until_answering(process, f"{ports.admin_url}/readyz", log=log)
        yield Target("sidecar", (ports.gateway,), (ports.callbacks,), (process.pid,), (f"{ports.admin_url}/metrics",))


@asynccontextmanager
async def run_sidecars(
    directory: Path, dsn: str, service: str, *, replicas: int = 1, workers: int = 1
) -> AsyncIterator[Target]:
    """Run replicas on one database, as one target."""
    async with AsyncExitStack() as stack:
        ran: list[Target] = []
        for number in range(replicas):
            ports = free_ports()
            file = directory / f"sidecar-{number}.yaml"
            write_settings(file, sidecar_settings(dsn, ports, service, token_secrets(directory / "tokens")))
            log = file.with_suffix(".log")
            ran.append(await stack.enter_async_context(run_sidecar(log, file, ports, workers=workers)))
        yield joined(ran)


def joined(targets: Sequence[Target]) -> Target:
    """Take several targets for one."""
    return Target(
        targets[0].name,
        tuple(port for one in targets for port in one.gateways),
        tuple(port for one in targets for port in one.callbacks),
        tuple(pid for one in targets for pid in one.pids),
        tuple(url for one in targets for url in one.metrics),
    )


def free_ports() -> Ports:
    """Find ports for the three listeners."""
    return Ports(free_port(), free_port(), free_port())


def write_settings(file: Path, settings: dict[str, Any]) -> None:
    """Write a settings file."""
    file.write_text(yaml.safe_dump(settings))


def sidecar_settings(dsn: str, ports: Ports, service: str, tokens: Path) -> dict[str, Any]:
    """Write down the sidecar's settings: production's, but for loopback, plain http and concurrency."""
    return {
        "gateway": {
            "listen": f"127.0.0.1:{ports.gateway}",
            "public_url": ports.gateway_url,
            "identity": {"type": "none"},
        },
        "callbacks": {
            "listen": f"127.0.0.1:{ports.callbacks}",
            "base_url": ports.callbacks_url,
            "token_secrets_file": str(tokens),
        },
        "admin": {"listen": f"127.0.0.1:{ports.admin}"},
        "database": {"dsn": dsn},
        "services": {"concurrency": CONCURRENCY},
        "webhook": {
            "require_https": False,
            "allow_networks": ["127.0.0.0/8"],
            "ports": ["1-65535"],
            "concurrency": {"per_endpoint": CONCURRENCY, "per_host": CONCURRENCY},
        },
        "telemetry": {"log": {"format": "json", "level": "info"}},
        "routes": [_route(number, service) for number in SERVICES],
    }


def _route(number: int, service: str) -> dict[str, Any]:
    if number == 1:
        return {"path": "/bench", "methods": ["POST"], "services": [{"name": "work", "url": service}]}
    services = [{"name": f"work-{one}", "url": service} for one in range(number)]
    return {"path": f"/bench-{number}", "methods": ["POST"], "services": services}


def describe_machine(standing: Standing) -> dict[str, str]:
    """Tell on what the numbers were measured."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    versions = " ".join(f"{name} {version(name)}" for name in ("aiohttp", "asyncpg", "uvloop"))
    return {
        "machine": f"{os.cpu_count()} x {model}, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.release()}",
        "python": f"{platform.python_version()}, {versions}",
        "postgres": f"{standing.version}, fsync {standing.fsync}, synchronous_commit {standing.synchronous_commit}",
        "settings": standing.settings,
    }
