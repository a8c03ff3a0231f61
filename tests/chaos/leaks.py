"""What a process holds while it is idle, before the faults and after them."""

from dataclasses import dataclass

import psutil

from tests.acceptance.harness.replica import Replica

MIB = 1024 * 1024
CONNECTIONS_KEPT = 30
"""Files and connections that a process may hold more than a fresh one: pools are filled, and kept for a while."""
MEMORY_KEPT = 64 * MIB
"""Bytes of memory that a process may hold more than a fresh one: what its allocators keep."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds."""

    memory: int
    files: int
    threads: int


def held_by(replica: Replica) -> Held:
    process = psutil.Process(replica.pid)
    return Held(process.memory_info().rss, process.num_fds(), process.num_threads())


def leaks(before: Held, after: Held) -> list[str]:
    """Tell what is more than it should be."""
    found = []
    if after.memory > before.memory + MEMORY_KEPT:
        found.append(f"memory grew from {before.memory // MIB} to {after.memory // MIB} MiB")
    if after.files > before.files + CONNECTIONS_KEPT:
        found.append(f"open files grew from {before.files} to {after.files}")
    if after.threads > before.threads + 32:
        found.append(f"threads grew from {before.threads} to {after.threads}")
    return found
