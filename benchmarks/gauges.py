"""Readings from outside the measured process: CPU, memory, statements, write-ahead log."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

_STANDING = Path(__file__).with_name("standing.sql")
_STATEMENTS = "sidecar_ledger_statements_total"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of one process so far, user and system."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time so far of a process, its children, and its children that ended."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = float(own.user + own.system + own.children_user + own.children_system)
    for child in process.children():
        try:
            total += cpu_seconds(child.pid)
        except psutil.NoSuchProcess:
            continue  # it ended just now; the next reading finds it among those that ended
    return total


def busy_seconds() -> float:
    """Return the CPU time that the whole machine has worked so far, over all its CPUs."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def resident_bytes(pid: int) -> int:
    """Return how much memory one process holds."""
    return int(psutil.Process(pid).memory_info().rss)


def begin_peak(pid: int | str = "self") -> None:
    """Let the kernel count the peak of a process's memory from here on (proc(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int | str = "self") -> int:
    """Return the peak of a process's memory since then."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@dataclass(frozen=True, slots=True)
class Standing:
    """What Postgres says of itself."""

    version: str
    fsync: str
    synchronous_commit: str
    settings: str  # others that matter, as "name value, name value"
    wal: int  # bytes written since the cluster began


class Readings:
    """Ask Postgres and the sidecar's metrics. The connection is to another database than the sidecar's."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", session: ClientSession, metrics: str) -> None:
        self._connection = connection
        self._session = session
        self._metrics = metrics
        self._query = _STANDING.read_text()

    async def standing(self) -> Standing:
        """Ask Postgres."""
        row = await self._connection.fetchrow(self._query)
        if row is None:
            raise RuntimeError("Postgres said nothing")
        return Standing(**dict(row))

    async def statements(self) -> dict[str, float]:
        """Ask the sidecar how many SQL statements it has issued, by the query's name."""
        async with self._session.get(self._metrics) as answer:
            text = await answer.text()
        return {
            sample.labels["kind"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == _STATEMENTS
        }
