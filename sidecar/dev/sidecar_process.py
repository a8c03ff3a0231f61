"""The sidecar as a child process, with its log in a file, so that the screen stays readable."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from sidecar.dev.first import first_of
from sidecar.kit.die_with_parent import dying_with_parent
from sidecar.model.errors import SidecarError

READY_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 15.0  # above the drain time-out that the generated settings give
POLL = 0.05
TAIL = 20  # lines of its log that are shown when it fails


class SidecarFailed(SidecarError):  # noqa: N818 - reads as what happened
    """The sidecar process ended, or never became ready; the message ends with the last lines of its log."""


class SidecarProcess:
    """One ``sidecar serve``. It dies with this process (Linux)."""

    def __init__(self, settings: Path, *, log: Path, admin_url: str, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._log = log
        self._ready_url = f"{admin_url}/readyz"
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None
        self._spawned = asyncio.Event()

    async def start(self) -> None:
        """Start it and wait until it says that it is ready.

        Raises:
            SidecarFailed: It ended, or was not ready within half a minute.
        """
        command = [sys.executable, "-m", "sidecar", "serve", "--config", str(self._settings)]
        with self._log.open("wb") as log:
            # SIGKILL when we are gone: nobody is left to wait for an orderly end, and none is needed.
            # A process group of its own: Ctrl-C at the terminal is for us, who stop things in order.
            self._process = await asyncio.create_subprocess_exec(
                *dying_with_parent(command, send=signal.SIGKILL),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._environ),
                process_group=0,
            )
        self._spawned.set()
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await first_of(self.ended(), self._until_ready())
        except TimeoutError as error:
            raise SidecarFailed(self._with_tail("the sidecar is not ready")) from error

    async def ended(self) -> None:
        """Wait until it has ended by itself, which it should not.

        Raises:
            SidecarFailed: Always, once it has ended.
        """
        await self._spawned.wait()
        if self._process is not None:
            await self._process.wait()
            raise SidecarFailed(self._with_tail(f"the sidecar ended (exit status {self._process.returncode})"))

    async def stop(self) -> None:
        """Ask it to stop and wait; kill it when it takes too long. Does nothing when it does not run."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _with_tail(self, what: str) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join([f"{what}; {self._log} ends with:", *(f"  {line}" for line in lines)])

    async def _until_ready(self) -> None:
        async with ClientSession(timeout=ClientTimeout(total=2)) as session:
            while True:
                with contextlib.suppress(ClientError, TimeoutError):
                    async with session.get(self._ready_url) as answer:
                        if answer.status == 200:  # noqa: PLR2004 - OK
                            return
                await asyncio.sleep(POLL)
