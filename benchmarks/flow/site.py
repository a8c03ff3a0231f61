"""The site of small jobs: Postgres, the load generator, the relay and sidecars, all on loopback."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from benchmarks.flow.meter import Meter
from benchmarks.kit.children import PeerProcess, child, until_answering
from benchmarks.kit.database import connection, make_database
from benchmarks.kit.gauges import Readings
from benchmarks.kit.report import Tell
from benchmarks.kit.site import Target, run_peer, run_sidecars
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Site:
    """What runs, and what is needed to run sidecars beside it."""

    directory: Path
    dsn: str
    service: str
    peer: PeerProcess
    meter: Meter


@dataclass(frozen=True, slots=True)
class Pair:
    """A relay and a sidecar."""

    relay: Target
    sidecar: Target
    meter: Meter


@asynccontextmanager
async def open_site(server: EmbeddedPostgres, directory: Path, tell: Tell) -> AsyncIterator[Site]:
    """Start the load generator, beside a running Postgres, and stop it at the end."""
    async with AsyncExitStack() as stack:
        dsn = await make_database(server, "benchmark")
        direct = await stack.enter_async_context(connection(server.superuser_dsn))
        peer, service = await stack.enter_async_context(run_peer(directory))
        session = await stack.enter_async_context(ClientSession())
        meter = Meter(peer, Readings(direct, session), postgres_pid=server.pid or 0, tell=tell)
        yield Site(directory, dsn, service, peer, meter)


@asynccontextmanager
async def open_pair(server: EmbeddedPostgres, directory: Path, tell: Tell) -> AsyncIterator[Pair]:
    """Start everything for a comparison of the sidecar with the relay."""
    tell("starting relay, sidecar and load generator", 0.0)
    async with (
        open_site(server, directory, tell) as site,
        _run_relay(directory / "relay.log", site.service) as relay,
        run_sidecars(directory, site.dsn, site.service) as sidecar,
    ):
        await site.meter.learn_duties(sidecar)
        yield Pair(relay, sidecar, site.meter)


@asynccontextmanager
async def _run_relay(log: Path, service: str) -> AsyncIterator[Target]:
    port = free_port()
    arguments = ["-m", "benchmarks.flow.bare_relay", "--port", str(port), "--service", service]
    async with child(arguments, log=log) as process:
        await until_answering(process, f"http://127.0.0.1:{port}/", log=log)
        yield Target("relay", (port,), (port,), (process.pid,))
