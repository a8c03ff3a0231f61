"""Loopback ports."""

import contextlib
import random
import socket
from collections.abc import Iterator

_OURS = range(15_000, 32_000)
"""Below the ports that systems give to outgoing connections: those would take a port that was found a moment ago."""

_TRIES = 200


def free_port(*preferred: int) -> int:
    """Find a free loopback port: the first of ``preferred`` that is free, else any, hardly ever the same one twice."""
    for port in (*preferred, *_candidates()):
        with contextlib.suppress(OSError), socket.socket() as probe:
            # As servers do it: a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free loopback port")


def _candidates() -> Iterator[int]:
    chance = random.SystemRandom()
    for _ in range(_TRIES):
        yield chance.choice(_OURS)
