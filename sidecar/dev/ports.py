"""Loopback ports."""

import contextlib
import socket


def free_port(*preferred: int) -> int:
    """Find a free loopback port: the first of ``preferred`` that is free, else any. Another process may be faster."""
    for port in (*preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            # As servers do it: a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            number: int = probe.getsockname()[1]
            return number
    raise OSError("no free loopback port")
