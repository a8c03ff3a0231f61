"""What ``make run`` promises: a tour that ends well, a curl that works, and nothing left behind."""

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
from aiohttp import ClientSession

from sidecar.kit.die_with_parent import dying_with_parent

PATIENCE = 240.0  # seconds; a bound for a hung process, not a claim
TOUR_ENDED = "tour: 8 of 8 messages received"


@dataclass
class Screen:
    """A ``sidecar dev`` and what it printed so far."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def until(self, words: str, *, times: int = 1) -> str:
        """Read on until ``words`` stood on the screen ``times`` times from here; the last such line."""
        async with asyncio.timeout(PATIENCE):
            while line := await self._line():
                times -= words in line
                if not times:
                    return line
        raise AssertionError(f"{words!r} never came:\n" + "\n".join(self.lines[-60:]))

    async def end(self) -> int:
        """Read to the end; the exit status."""
        async with asyncio.timeout(PATIENCE):
            while await self._line():
                pass
            return await self.process.wait()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    async def _line(self) -> str:
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        self.lines.append(line.rstrip("\n"))
        return line


@asynccontextmanager
async def sidecar_dev(directory: Path, *options: str) -> AsyncIterator[Screen]:
    command = [sys.executable, "-m", "sidecar", "dev", "--directory", str(directory), *options]
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(command, send=signal.SIGTERM),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    screen = Screen(process)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
        await screen.end()


async def send(curl: str) -> tuple[int, str]:
    """Send what the printed curl command says; (status, job id). Machines without curl are welcome."""
    words = shlex.split(curl)
    assert words[:2] == ["curl", "-i"]
    options = dict(pairwise(words))
    headers = dict(value.split(": ", 1) for word, value in pairwise(words) if word == "-H")
    url = next(word for word in words if word.startswith("http://"))
    async with (
        ClientSession() as session,
        session.request(options["-X"], url, data=options["-d"].encode(), headers=headers) as answer,
    ):
        return answer.status, answer.headers.get("x-job-id", "")


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=PATIENCE)[1]


async def test_the_tour_ends_well_the_curl_works_and_ctrl_c_leaves_nothing_behind(directory: Path) -> None:
    async with sidecar_dev(directory / "tour", "--tour") as screen:
        for pause in ("attempt 2, 1.", "attempt 3, 2.", "attempt 4, 4."):  # the retry sequence, as it is told
            await screen.until(pause)
        await screen.until("downloaded 20,000,028 bytes")
        await screen.until("revokes the token of svc-async")
        await screen.until("it is answered 401")
        await screen.until("issues a token to svc-async")
        await screen.until("succeeded, as the service user svc-async")
        await screen.until(TOUR_ENDED)
        status, job = await send(await screen.until("curl -i"))
        assert status == 202
        await screen.until(f"x-job-id: {job}", times=3)  # billing, stock and risk
        children = screen.children()
        assert len(children) > 2  # the sidecar, Postgres and its own, the store
        screen.process.send_signal(signal.SIGINT)
        assert await screen.end() == 0
        assert gone(children)


async def test_killed_it_leaves_nothing_behind_and_runs_again_on_its_data(directory: Path) -> None:
    async with sidecar_dev(directory / "killed", "--tour") as screen:
        await screen.until(TOUR_ENDED)
        children = screen.children()
        screen.process.kill()
        assert await screen.end() == -signal.SIGKILL
        assert gone(children)
    async with sidecar_dev(directory / "killed") as screen:
        status, job = await send(await screen.until("curl -i"))
        assert status == 202
        await screen.until(f"x-job-id: {job}", times=3)
        children = screen.children()
        screen.process.send_signal(signal.SIGTERM)
        screen.process.send_signal(signal.SIGTERM)
        # Told twice: in order when the two came as one, at once otherwise.
        assert await screen.end() in {0, 130}
        assert gone(children)


async def test_a_sidecar_that_dies_is_told_with_its_log(directory: Path) -> None:
    async with sidecar_dev(directory / "dead") as screen:
        await screen.until("curl -i")
        children = screen.children()
        next(child for child in children if "serve" in child.cmdline()).kill()
        await screen.until("the sidecar ended (exit status -9)")
        assert await screen.end() == 1
        assert gone(children)


async def test_own_routes_run_on_the_embedded_database(directory: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        "database: {dsn: postgresql://nobody@database.invalid/none}\n"
        "routes: [{path: '/mine/{thing}', services: [{name: away, url: 'http://127.0.0.1:9/x'}]}]\n"
    )
    async with sidecar_dev(directory / "own", "--config", str(config)) as screen:
        curl = await screen.until("curl -i")
        assert re.search(r"POST 'http://127\.0\.0\.1:\d+/mine/42'", curl)
        assert (await send(curl))[0] in {202, 502}
        screen.process.send_signal(signal.SIGINT)
        assert await screen.end() == 0


async def test_a_second_one_in_the_same_directory_is_refused(directory: Path) -> None:
    async with sidecar_dev(directory / "shared") as first:
        await first.until("an embedded Postgres starts")
        async with sidecar_dev(directory / "shared") as second:
            await second.until("another `sidecar dev` runs in")
            assert await second.end() == 1
        first.process.send_signal(signal.SIGKILL)
