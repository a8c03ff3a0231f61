"""One run's site: Postgres, the load generator, the relay and the sidecar, all on loopback."""

import os
import platform
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE
from typing import Any

import asyncpg
import psutil
import yaml
from aiohttp import ClientSession

from benchmarks.children import PeerProcess, child, until_answering
from benchmarks.gauges import Readings, Standing
from sidecar.dev.demo_config import Ports, token_secrets
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate

DATABASE = "benchmark"
CONCURRENCY = 64
"""Calls at once to one service and to one webhook endpoint, as the relay has connections to a host."""


@dataclass(frozen=True, slots=True)
class Target:
    """What can be put under load."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that runs."""

    relay: Target
    sidecar: Target
    peer: PeerProcess
    readings: Readings
    postgres_pid: int


@asynccontextmanager
async def open_site(server: EmbeddedPostgres, directory: Path, *, size: int) -> AsyncIterator[Site]:
    """Start everything and stop it at the end.

    Args:
        server: A running Postgres.
        directory: Where settings and logs go.
        size: Bytes of each body.
    """
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(server.superuser_dsn)
        stack.push_async_callback(connection.close)
        await connection.execute((Path(__file__).with_name("database.sql")).read_text())
        await migrate(server.dsn(DATABASE))

        log = directory / "peer.log"
        arguments = ["-m", "benchmarks.peer", "--size", str(size)]
        peer = PeerProcess(await stack.enter_async_context(child(arguments, log=log, stdin=PIPE, stdout=PIPE)), log=log)
        service = f"http://127.0.0.1:{(await peer.answer())['service']}/work"

        relay = await stack.enter_async_context(_relay(directory / "relay.log", service))
        ports = Ports(free_port(), free_port(), free_port())
        settings = directory / "sidecar.yaml"
        settings.write_text(
            yaml.safe_dump(sidecar_settings(server.dsn(DATABASE), ports, service, token_secrets(directory / "tokens")))
        )
        sidecar = await stack.enter_async_context(run_sidecar(directory / "sidecar.log", settings, ports))
        session = await stack.enter_async_context(ClientSession())
        readings = Readings(connection, session, f"{ports.admin_url}/metrics")
        yield Site(relay, sidecar, peer, readings, server.pid or 0)


@asynccontextmanager
async def _relay(log: Path, service: str) -> AsyncIterator[Target]:
    port = free_port()
    async with child(["-m", "benchmarks.bare_relay", "--port", str(port), "--service", service], log=log) as process:
        await until_answering(process, f"http://127.0.0.1:{port}/", log=log)
        yield Target("relay", port, process.pid)


@asynccontextmanager
async def run_sidecar(log: Path, settings: Path, ports: Ports) -> AsyncIterator[Target]:
    """Run ``sidecar serve`` until the end; ready when entered."""
    async with child(["-m", "sidecar", "serve", "--config", str(settings)], log=log) as process:
        await until_answering(process, f"{ports.admin_url}/readyz", log=log)
        yield Target("sidecar", ports.gateway, process.pid)


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
        "routes": [{"path": "/bench", "methods": ["POST"], "services": [{"name": "work", "url": service}]}],
    }


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
