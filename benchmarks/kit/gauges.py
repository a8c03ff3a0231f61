"""Readings from outside the measured process: CPU, memory, statements, write-ahead log."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import psutil
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.kit.database import standing

_STATEMENTS = "sidecar_ledger_statements_total"


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time so far of a process, of all that descend from it, and of those that ended."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it ended just now; the next reading finds it among those that ended
        total += times.user + times.system + times.children_user + times.children_system
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


class Readings:
    """Ask Postgres, by a connection to another database than the sidecar's, and the sidecars' metrics."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", session: ClientSession) -> None:
        self._connection = connection
        self._session = session

    async def written(self) -> int:
        """Ask Postgres how many bytes of write-ahead log there have been."""
        return (await standing(self._connection)).wal

    async def statements(self, metrics: Sequence[str]) -> Counter[str]:
        """Ask sidecars how many SQL statements they have issued, by the query's name."""
        found: Counter[str] = Counter()
        for url in metrics:
            async with self._session.get(url) as answer:
                text = await answer.text()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == _STATEMENTS:
                        found[sample.labels["kind"]] += int(sample.value)
        return found
