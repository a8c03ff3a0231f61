"""Loopback ports."""

import contextlib
import random
import socket
from itertools import cycle, islice

OURS = range(15_000, 32_000)
"""Below the ports that systems give to outgoing connections: those would take a port that was found a moment ago."""

_TRIES = 200


def turns(ports: range) -> "cycle[int]":
    """Put ports in an order that no other process has; none comes again before all others had their turn."""
    return cycle(random.SystemRandom().sample(ports, len(ports)))


_turns = turns(OURS)


def free_port(*preferred: int) -> int:
    """Find a free loopback port: the first of ``preferred`` that is free, else any, and not soon the same one again."""
    for port in (*preferred, *islice(_turns, _TRIES)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            # As servers do it: a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free loopback port")
