"""One large result through the callback endpoint, beside a pipe through gzip into the same store."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE
from typing import Any

import yaml

from benchmarks.kit.children import PeerProcess, child
from benchmarks.kit.database import make_database
from benchmarks.kit.figures import Figure
from benchmarks.kit.gauges import begin_peak, peak_bytes, resident_bytes
from benchmarks.kit.report import Report, Tell, report_of
from benchmarks.kit.site import Target, run_sidecar, sidecar_settings
from benchmarks.kit.store_settings import store_section
from benchmarks.large.store_upload import rows
from sidecar.dev.demo_config import Ports, token_secrets
from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres

BLOCKS = 16
"""Blocks of 64 MiB in a result."""

MIB = 2**20
MEMORY = 96.0
"""Most that a result may take above idle, in MiB."""

OF_THE_PIPE = 0.6
"""Least speed, as a part of the pipe's."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One result that was sent: megabytes (10^6) a second, MiB above idle at most, whether its message was right."""

    speed: float
    above: float
    right: bool


class Callbacks:
    """Sends large results to one sidecar."""

    def __init__(self, sidecar: Target, peer: PeerProcess) -> None:
        self._sidecar = sidecar
        self._peer = peer

    async def send(self, blocks: int, *, idle: int = 0) -> Sent:
        """Send one result. ``idle`` is what the process holds without, in bytes."""
        begin_peak(self._sidecar.pid)
        told = await self._peer.order("send", port=self._sidecar.gateways[0], blocks=blocks)
        above = (peak_bytes(self._sidecar.pid) - idle) / MIB
        return Sent(told["bytes"] / told["seconds"] / 1e6, above, told["right"])


async def measure_large(server: EmbeddedPostgres, directory: Path, rounds: int, tell: Tell) -> Report:
    """Send results and pipe the same bytes, in turns."""
    sent: list[Sent] = []
    piped: list[float] = []
    with EmbeddedStore(directory / "large-s3", bucket="results") as store:
        async with _open(server, store, directory) as (callbacks, sidecar, section):
            await callbacks.send(1)  # connections and code are warm then
            idle = resident_bytes(sidecar.pid)
            for number in range(rounds):
                tell(f"large: round {number + 1}/{rounds}, callback", number / rounds)
                sent.append(await callbacks.send(BLOCKS, idle=idle))
                tell(f"large: round {number + 1}/{rounds}, pipe", (number + 0.5) / rounds)
                piped.append(await _pipe(section, directory / f"pipe-{number}.json"))
    return report_of("one large result through the callback endpoint", figures(sent, piped))


def figures(sent: Sequence[Sent], piped: Sequence[float]) -> tuple[Figure, ...]:
    """Turn runs into lines; ratios are formed between neighbours."""
    size = f"{BLOCKS * 64 / 1024:.0f} GiB result"
    part = median(mine.speed / pipe for mine, pipe in zip(sent, piped, strict=True))
    return (
        Figure(f"{size}: callback", median(one.speed for one in sent), "{:.0f} MB/s"),
        Figure(f"{size}: igzip piped into the store", median(piped), "{:.0f} MB/s"),
        Figure(f"{size}: callback to pipe", part, "{:.2f}", least=OF_THE_PIPE),
        Figure(f"{size}: peak memory above idle", max(one.above for one in sent), "{:.1f} MiB", most=MEMORY),
        Figure(f"{size}: messages with a wrong size or digest", sum(not one.right for one in sent), "{:.0f}", most=0.0),
    )


async def _pipe(section: dict[str, Any], result: Path) -> float:
    """Pipe the same bytes, in a fresh process; returns megabytes a second."""
    arguments = ["-m", "benchmarks.large.store_upload", "piped", str(BLOCKS), json.dumps(section)]
    errors = result.with_suffix(".log")
    async with child(arguments, log=errors, stdout=PIPE, ends=True) as process:
        said, _ = await process.communicate()
    return float(json.loads(said)["MB/s"])


@asynccontextmanager
async def _open(
    server: EmbeddedPostgres, store: EmbeddedStore, directory: Path
) -> AsyncIterator[tuple[Callbacks, Target, dict[str, Any]]]:
    dsn = await make_database(server, "large")
    ports = Ports(free_port(), free_port(), free_port())
    block, log, file = directory / "block", directory / "large-peer.log", directory / "large.yaml"
    block.write_bytes(rows())
    section = store_section(store, directory)
    arguments = ["-m", "benchmarks.large.peer", str(block)]
    async with child(arguments, log=log, stdin=PIPE, stdout=PIPE) as process:
        peer = PeerProcess(process, log=log)
        own = (await peer.answer())["url"]
        settings: dict[str, Any] = sidecar_settings(dsn, ports, own + "/work", token_secrets(directory / "tokens"))
        # The service and the webhook share a port here, which the egress guard takes for ours unless it is told.
        settings["webhook"]["endpoints"] = [{"name": "bench", "match": f"{own}/hooks/1.0"}]
        file.write_text(yaml.safe_dump(settings | {"offload": section}))
        async with run_sidecar(directory / "large.log", file, ports) as sidecar:
            yield Callbacks(sidecar, peer), sidecar, section
