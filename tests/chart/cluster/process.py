"""One container as a process, with probes, preStop, SIGTERM and the grace period."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from sidecar.dev.ports import free_port
from sidecar.kit.die_with_parent import dying_with_parent
from tests.acceptance.harness.waiting import tick
from tests.chart.cluster.mounts import View
from tests.chart.cluster.store import Object

ENTRY_POINT = ("sidecar",)
"""The entry point of the image, as its Dockerfile says."""

QUICK = 0.2  # seconds between two looks at what has not been well yet


class Container:
    """A container of a pod. ``sidecar`` is this checkout's, and ``python`` the one that runs the tests.

    Args:
        spec: Its part of the pod's specification.
        view: What it sees.
        log: Where its output goes.
    """

    def __init__(self, spec: Object, *, view: View, log: Path) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.ports = {port["name"]: free_port() for port in spec.get("ports", ())}
        self.ready = False
        self.restarts = 0
        self.probes: Counter[tuple[str, bool]] = Counter()
        self.exit_code: int | None = None
        self._view = view
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process; its output is added to the log."""
        command = [*(self.spec.get("command") or ENTRY_POINT), *self.spec.get("args", ())]
        programs = {"sidecar": [sys.executable, "-m", "sidecar"], "python": [sys.executable]}
        words = [*programs[command[0]], *(self._view.translate(word) for word in command[1:])]
        self.exit_code = None
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *dying_with_parent(words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                process_group=0,
            )

    def _environment(self) -> Mapping[str, str]:
        given = {entry["name"]: self._view.translate(entry["value"]) for entry in self.spec.get("env", ())}
        # All pods are on one host, so each listens on ports of its own.
        listeners = {f"SIDECAR_{name.upper()}__LISTEN": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
        return {**kept, **given, **listeners}

    async def until_ended(self) -> int:
        """Wait for the process's end; the exit code."""
        assert self._process is not None
        self.exit_code = await self._process.wait()
        self.ready = False
        return self.exit_code

    # Probes

    async def probe(self, session: ClientSession, kind: str) -> bool:
        """Ask once, as the kubelet does."""
        spec = self.spec[f"{kind}Probe"]
        target = spec["httpGet"]
        url = f"http://127.0.0.1:{self.ports[target['port']]}{target['path']}"
        well = False
        try:
            async with session.get(url, timeout=ClientTimeout(total=spec["timeoutSeconds"])) as answer:
                well = 200 <= answer.status < 400
        except (ClientError, TimeoutError, OSError):
            pass
        self.probes[kind, well] += 1
        return well

    async def watch(self, session: ClientSession, kind: str) -> None:
        """Probe until too many failures in a row; for startup, until the first success.

        Until the first success it looks more often than the period says, so that tests need not wait. Such a look
        does not count as a failure: a process has as long to start as in a cluster.
        """
        spec = self.spec[f"{kind}Probe"]
        period: float = spec["periodSeconds"]
        clock = asyncio.get_running_loop()
        failures, counted = 0, clock.time()
        while failures < spec["failureThreshold"]:
            well = await self.probe(session, kind)
            if kind == "startup" and well:
                return
            if well:
                failures = 0
            elif clock.time() - counted >= period:
                failures, counted = failures + 1, clock.time()
            if kind == "readiness":
                self.ready = well or (self.ready and failures < spec["failureThreshold"])
                failures = min(failures, spec["failureThreshold"] - 1)  # it only takes the pod out, and goes on
            await tick(period if well or kind == "liveness" else min(QUICK, period))

    # The end

    async def stop(self, grace: float) -> int:
        """End as the kubelet ends a container: preStop, SIGTERM, and SIGKILL when the grace period is over."""
        process = self._process
        if process is None:
            return 0
        try:
            async with asyncio.timeout(grace):
                await self._pre_stop()
                if process.returncode is None:
                    process.terminate()
                return await self.until_ended()
        except TimeoutError:
            self.kill()
            return await self.until_ended()

    async def _pre_stop(self) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            await tick(hook["sleep"]["seconds"])

    def kill(self) -> None:
        """Kill it, and what it started, at once."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
