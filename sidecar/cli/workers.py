"""Several worker processes that share the listeners' ports (SO_REUSEPORT), and the parent that minds them.

The workers also share a private folder, in which each answers the others on a socket: so ``/metrics`` of any of them
shows them all.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from sidecar.kit.die_with_parent import dying_with_parent
from sidecar.lifecycle import EXIT_CONFIG, EXIT_FAULT, EXIT_OK

MAX_STARTS = 5
"""A worker that ended is started anew, at most so often within ``START_WINDOW`` seconds; then the parent gives up."""

START_WINDOW = 60.0


class Workers:
    """Start workers, pass signals on, replace the ones that die."""

    def __init__(self, config: Path | None, count: int) -> None:
        self._config = ["--config", str(config)] if config is not None else []
        self._count = count
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._restarts: deque[float] = deque(maxlen=MAX_STARTS)
        self._stopping = False

    def run(self) -> int:
        """Run until a signal comes or workers cannot be kept alive; return the exit code."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._stop)
        for signal_number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(signal_number, self._pass_on)
        with tempfile.TemporaryDirectory(prefix="sidecar-workers-") as shared:
            try:
                for number in range(self._count):
                    self._start(number, shared)
                return self._mind(shared)
            finally:
                self._terminate()
                for child in self._children.values():
                    child.wait()

    def _mind(self, shared: str) -> int:
        code = EXIT_OK
        while self._children:
            for number, child in list(self._children.items()):
                try:
                    ended = child.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
                del self._children[number]
                if self._stopping:
                    code = code or max(ended, 0)
                elif ended == EXIT_CONFIG or not self._may_restart():
                    code = ended if ended == EXIT_CONFIG else EXIT_FAULT
                    self._stop()
                else:
                    self._start(number, shared)
        return code

    def _start(self, number: int, shared: str) -> None:
        command = dying_with_parent(self.command(number, shared), send=signal.SIGTERM)
        child = self._children[number] = subprocess.Popen(command)  # noqa: S603 - this very program
        if self._stopping:  # the signal came before it could reach this child
            child.terminate()

    def command(self, number: int, shared: str) -> list[str]:
        """Return the command of one worker; ``shared`` is the folder of all of them."""
        command = [sys.executable, "-m", "sidecar", "serve", *self._config]
        return [*command, "--siblings", shared, "--worker-number", str(number)]

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self._restarts.append(now)
        return len(self._restarts) < MAX_STARTS or now - self._restarts[0] > START_WINDOW

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._terminate()

    def _pass_on(self, number: int, _: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(number)

    def _terminate(self) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()


def run_workers(config: Path | None, count: int) -> int:
    """Serve with ``count`` worker processes; return the exit code."""
    return Workers(config, count).run()
