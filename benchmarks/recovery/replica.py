"""A replica that can be killed, stopped, frozen and started again."""

import contextlib
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from benchmarks.kit.children import ChildFailed
from benchmarks.kit.site import Target, run_sidecar
from sidecar.dev.demo_config import Ports


class Replica:
    """One sidecar process, always at the same ports.

    Args:
        settings: Its settings file.
        ports: Where it listens.
    """

    def __init__(self, settings: Path, ports: Ports) -> None:
        self.ports = ports
        self._settings = settings
        self._starts = 0
        self._stack = AsyncExitStack()
        self._process: Target | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        """Start it; ready when this returns."""
        self._starts += 1
        log = self._settings.with_suffix(f".{self._starts}.log")
        self._process = await self._stack.enter_async_context(run_sidecar(log, self._settings, self.ports))

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self.signal(signal.SIGKILL)
        with contextlib.suppress(ChildFailed):
            await self._stack.aclose()

    async def stop(self) -> None:
        """End it by SIGTERM, and wait until it has handed over what it had."""
        await self._stack.aclose()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None:
            self._process.signal(number)
