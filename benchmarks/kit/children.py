"""The processes of a run: each dies with this one."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from sidecar.kit.die_with_parent import dying_with_parent

START_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 15.0
POLL = 0.05
LONGEST_ANSWER = 2**26  # bytes
ROOT = Path(__file__).resolve().parent.parent


class ChildFailed(RuntimeError):  # noqa: N818 - reads as what happened
    """A child ended or did not get ready; the message ends with what it said last."""


@asynccontextmanager
async def child(
    arguments: list[str],
    *,
    log: Path,
    stdin: int | None = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
    ends: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``python ARGUMENTS``; what it says goes to ``log``. It is stopped at the end, unless it ``ends`` by itself.

    Raises:
        ChildFailed: It was found to have ended by itself when it was to be stopped.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SIDECAR_", "PG"))}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *dying_with_parent([sys.executable, *arguments]),
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            env=environ,
            cwd=ROOT,
            limit=LONGEST_ANSWER,
        )
    try:
        yield process
        if process.returncode or (process.returncode == 0 and not ends):
            raise ChildFailed(said(f"{arguments[1]} ended by itself ({process.returncode})", log))
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until_answering(process: asyncio.subprocess.Process, url: str, *, log: Path) -> None:
    """Wait until ``url`` is answered with less than 500.

    Raises:
        ChildFailed: The process ended, or took more than half a minute.
    """
    async with ClientSession() as session:
        for _ in range(int(START_TIMEOUT / POLL)):
            if process.returncode is not None:
                break
            with contextlib.suppress(ClientError, OSError):
                async with session.get(url) as answer:
                    if answer.status < 500:  # noqa: PLR2004 - it serves, whatever it thinks of the path
                        return
            await asyncio.sleep(POLL)
    raise ChildFailed(said("a process did not get ready", log))


def said(what: str, log: Path) -> str:
    """Add the last lines of a log."""
    return "\n".join([f"{what}; it said:", *log.read_text(errors="replace").splitlines()[-20:]])


class PeerProcess:
    """The load generator: orders out, answers in."""

    def __init__(self, process: asyncio.subprocess.Process, *, log: Path) -> None:
        self._process = process
        self._log = log

    async def answer(self) -> dict[str, Any]:
        """Read one answer.

        Raises:
            ChildFailed: It has ended.
        """
        line = await self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise ChildFailed(said("the load generator ended", self._log))
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def order(self, do: str, **details: Any) -> dict[str, Any]:
        """Give an order and read its answer."""
        if self._process.stdin is None:
            raise ChildFailed("the load generator has no standard input")
        self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
        return await self.answer()
