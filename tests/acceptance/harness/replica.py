"""One ``sidecar serve`` as a process of its own, which can be killed, frozen and started again."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from sidecar.kit.die_with_parent import dying_with_parent
from tests.acceptance.harness.site import Ports, write_settings
from tests.acceptance.harness.waiting import PATIENCE, ask_until, wait_until

TAIL = 15  # lines of its log that are shown on failure
WIDTH = 600


class Replica:
    """A process, its settings file and its log. It dies with the tests, and its children with it."""

    def __init__(
        self,
        directory: Path,
        ports: Ports,
        settings: Mapping[str, Any],
        *,
        name: str = "a",
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None,  # where its admin listener has TLS
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.ports = ports
        self.config = write_settings(directory / f"{name}.yaml", settings)
        self.log = directory / f"{name}.log"
        self._workers = workers
        self._trust = trust
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Start the process, without waiting for anything."""
        assert self._process is None
        command = [sys.executable, "-m", "sidecar", "serve", "--config", str(self.config)]
        if self._workers > 1:
            command += ["--workers", str(self._workers)]
        # A parent of workers is told to end instead of killed, so that it takes them along.
        send = signal.SIGTERM if self._workers > 1 else signal.SIGKILL
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_parent(command, send=send),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment(), **self._environment},
                process_group=0,
            )

    async def start(self) -> None:
        """Start and wait until it is ready."""
        self.spawn()
        await self.until_ready()

    async def until_ready(self) -> None:
        async def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"it ended with {self._process.returncode}"
            return await self.readiness() == 200

        await ask_until(ready, f"{self.name} is ready")

    async def readiness(self) -> int:
        """Ask /readyz; 0 when nobody answers."""
        url = f"{self.ports.admin_url}/readyz".replace("http:", "http:" if self._trust is None else "https:")
        async with ClientSession(timeout=ClientTimeout(total=20)) as session:
            with suppress(ClientError, TimeoutError):
                async with session.get(url, ssl=self._trust or True) as answer:
                    return answer.status
        return 0

    def kill(self) -> None:
        """Kill it, and all that it started, at once."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        os.kill(self.pid, number)

    async def until_ended(self, *, timeout: float = PATIENCE) -> int:
        """Wait for its end; the exit code."""
        process = self._process
        assert process is not None
        await wait_until(lambda: process.poll() is not None, f"{self.name} ends", timeout=timeout)
        self._process = None
        return process.returncode

    async def stop(self) -> int:
        """Ask for an orderly end and wait for it; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.until_ended()

    def tail(self) -> str:
        """The end of its log, and the last lines that were no mere information."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        grave = [line for line in lines if '"level":"info"' not in line]
        chosen = [*grave[-TAIL:], "...", *lines[-TAIL:]]
        return "\n".join([f"the log of {self.name} ends with:", *(f"  {line[:WIDTH]}" for line in chosen)])


@contextmanager
def ending(*replicas: Replica) -> Iterator[None]:
    """Leave no process behind, and show the logs when the test fails."""
    try:
        yield
    except BaseException as error:
        for replica in replicas:
            error.add_note(replica.tail())
        raise
    finally:
        for replica in replicas:
            replica.kill()


async def run_command(*arguments: str) -> tuple[int, str]:
    """Run one ``sidecar`` command to its end: exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent([sys.executable, "-m", "sidecar", *arguments]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    try:
        async with asyncio.timeout(PATIENCE):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, printed.decode(errors="replace")


def environment() -> dict[str, str]:
    """The tests' own environment without settings of the sidecar."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}
