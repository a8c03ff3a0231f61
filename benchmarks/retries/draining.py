"""How fast a webhook that is back gets what waited for it, and whether a dead one beside it slows that down."""

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE
from time import monotonic, time
from typing import Any

import asyncpg
import yaml

from benchmarks.kit.children import PeerProcess, child
from benchmarks.kit.database import connection, make_database
from benchmarks.kit.figures import Figure
from benchmarks.kit.report import Report, Tell, report_of
from benchmarks.kit.site import run_sidecar, sidecar_settings
from benchmarks.kit.store_settings import store_section
from benchmarks.retries.filling import add_due, sql
from sidecar.dev.demo_config import Ports, token_secrets
from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres

BODY = 1024  # bytes
DRAIN = 20_000
HEALTHY = 1_000
DEAD = 100_000
BESIDE = 1.3
"""Most time that the healthy endpoint may take beside the dead one, as a multiple of what it takes alone."""

SETTLE = 4.0  # seconds
FILLED = 8_000.0
"""Retries are made before they are due, so that nothing else is written then: most seconds, and least rows a second."""

SCAN = "100ms"
"""How often due retries are looked for: a second would be as long as what is measured."""


@dataclass(frozen=True, slots=True)
class Drained:
    """Seconds until the last message was there, and messages that were missing or came twice."""

    seconds: float
    faults: int


class Drains:
    """Runs on one sidecar; each with endpoints of its own, since circuits are remembered."""

    def __init__(self, direct: "asyncpg.Connection[asyncpg.Record]", webhook: PeerProcess, *, port: int) -> None:
        self._direct = direct
        self._webhook = webhook
        self._port = port
        self._runs = 0

    async def run(self, rows: int, *, dead: int = 0, dead_port: int = 0) -> Drained:
        """Make retries that are due all at once, and wait until the healthy webhook has its own.

        Args:
            rows: Retries for the healthy webhook.
            dead: Retries for the dead one.
            dead_port: Where nobody answers.
        """
        self._runs += 1
        due = time() + SETTLE + (rows + dead) / FILLED
        for statement in sql("empty").split(";"):
            await self._direct.execute(statement)
        for port, first, count in ((dead_port, 0, dead), (self._port, dead, rows)):
            endpoint = f"http://127.0.0.1:{port}/run-{self._runs}/1.0"
            await add_due(self._direct, [endpoint], first=first, rows=count, size=BODY, due=due, bucket="results")
        await self._direct.execute(sql("settle"))
        await self._direct.execute(sql("checkpoint"))
        began = monotonic() + due - time()
        if began < monotonic():
            raise RuntimeError("filling took too long; the retries were due before all of them were there")
        answer = await self._webhook.order("wait", count=rows)
        return Drained(answer["at"] - began, int(answer["missing"] + answer["doubled"]))


async def measure_draining(server: EmbeddedPostgres, directory: Path, rounds: int, tell: Tell) -> Report:
    """Drain a large backlog, then a small one with and without a dead neighbour in turns."""
    async with _open(server, directory) as drains:
        await drains.run(HEALTHY)  # connections and statements are warm then
        tell(f"retries: draining {DRAIN:,}", 0.0)
        large = await drains.run(DRAIN)
        alone: list[Drained] = []
        refusing: list[Drained] = []
        silent: list[Drained] = []
        for number in range(rounds):
            tell(f"retries: beside a dead endpoint, round {number + 1}/{rounds}", number / rounds)
            alone.append(await drains.run(HEALTHY))
            refusing.append(await drains.run(HEALTHY, dead=DEAD, dead_port=free_port()))
            with nobody() as port:
                silent.append(await drains.run(HEALTHY, dead=DEAD, dead_port=port))
    return report_of("due retries", figures(large, alone, refusing, silent))


def figures(
    large: Drained, alone: Sequence[Drained], refusing: Sequence[Drained], silent: Sequence[Drained]
) -> tuple[Figure, ...]:
    """Turn runs into lines; ratios are formed in each round."""
    faults = large.faults + sum(run.faults for run in (*alone, *refusing, *silent))

    def beside(runs: Sequence[Drained]) -> float:
        return median(run.seconds / base.seconds for run, base in zip(runs, alone, strict=True))

    return (
        Figure(f"draining {DRAIN:,} due retries", DRAIN / large.seconds, "{:,.0f} rows/s"),
        Figure(f"draining {HEALTHY:,} alone", median(run.seconds for run in alone), "{:.2f} s"),
        Figure(f"beside {DEAD:,} of an endpoint that refuses, to alone", beside(refusing), "x{:.2f}", most=BESIDE),
        Figure(f"beside {DEAD:,} of an endpoint that is silent, to alone", beside(silent), "x{:.2f}", most=BESIDE),
        Figure("retries that were missing or came twice", float(faults), "{:.0f}", most=0.0),
    )


@contextmanager
def nobody() -> Iterator[int]:
    """Open a port where connections are taken and nothing ever answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield int(listening.getsockname()[1])


@asynccontextmanager
async def _open(server: EmbeddedPostgres, directory: Path) -> AsyncIterator[Drains]:
    dsn = await make_database(server, "draining")
    log = directory / "webhook.log"
    ports = Ports(free_port(), free_port(), free_port())
    with EmbeddedStore(directory / "draining-s3", bucket="results") as store:
        settings: dict[str, Any] = sidecar_settings(
            dsn, ports, "http://127.0.0.1:9/", token_secrets(directory / "tokens")
        )
        settings |= {"offload": store_section(store, directory), "retry": {"scan_interval": SCAN}}
        file = directory / "draining.yaml"
        file.write_text(yaml.safe_dump(settings))
        async with (
            child(["-m", "benchmarks.retries.webhook"], log=log, stdin=PIPE, stdout=PIPE) as process,
            run_sidecar(directory / "draining.log", file, ports),
            connection(dsn) as direct,
        ):
            await direct.execute(sql("careless"))
            webhook = PeerProcess(process, log=log)
            yield Drains(direct, webhook, port=(await webhook.answer())["port"])
