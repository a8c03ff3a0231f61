"""Guards around one run of ``sidecar dev``: how it is told to stop, and that it is the only one in its directory."""

import asyncio
import fcntl
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.model.errors import ConfigError


@contextmanager
def told_by_signals(handler: Callable[[], None]) -> Iterator[None]:
    """Call ``handler`` on Ctrl-C, SIGTERM, and when the terminal closes (unless under nohup)."""
    loop = asyncio.get_running_loop()
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for one in signals:
        loop.add_signal_handler(one, handler)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the directory. The lock goes with the process, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another `sidecar dev` runs in {directory}; stop it, or give --directory") from error
        yield
