"""Several worker processes that share the listeners' ports (SO_REUSEPORT), and the parent that minds them."""

import signal
import subprocess
import sys
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
        command = [sys.executable, "-m", "sidecar", "serve", "--worker-of-many"]
        if config is not None:
            command += ["--config", str(config)]
        self._command = dying_with_parent(command, send=signal.SIGTERM)
        self._count = count
        self._children: list[subprocess.Popen[bytes]] = []
        self._restarts: deque[float] = deque(maxlen=MAX_STARTS)
        self._stopping = False

    def run(self) -> int:
        """Run until a signal comes or workers cannot be kept alive; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            self._children = [self._start() for _ in range(self._count)]
            return self._mind()
        finally:
            self._terminate()
            for child in self._children:
                child.wait()

    def _mind(self) -> int:
        code = EXIT_OK
        while self._children:
            for child in list(self._children):
                try:
                    ended = child.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
                self._children.remove(child)
                if self._stopping:
                    code = code or max(ended, 0)
                elif ended == EXIT_CONFIG or not self._may_restart():
                    code = ended if ended == EXIT_CONFIG else EXIT_FAULT
                    self._stop()
                else:
                    self._children.append(self._start())
        return code

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)  # noqa: S603 - this very program, with the arguments it was given

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self._restarts.append(now)
        return len(self._restarts) < MAX_STARTS or now - self._restarts[0] > START_WINDOW

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._terminate()

    def _terminate(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.terminate()


def run_workers(config: Path | None, count: int) -> int:
    """Serve with ``count`` worker processes; return the exit code."""
    return Workers(config, count).run()
