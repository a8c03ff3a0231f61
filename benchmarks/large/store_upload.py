"""How fast and with how much memory a large body goes into the object store.

``python -m benchmarks.large.store_upload`` tells.

Beside it stands the shortest way to do the same without digests: ``igzip`` as a process of its own, piped into the
parts of an upload. Both run against one embedded store, one after the other, each in a fresh process, and in turns.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from uuid import UUID

import orjson
import psutil
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from benchmarks.kit.gauges import begin_peak, peak_bytes
from sidecar.dev.object_store import EmbeddedStore
from sidecar.offload.store import ObjectStore
from sidecar.offload.upload import PART, Press
from sidecar.settings.offload import OffloadSettings, StoreKeys

MIB = 1024 * 1024
CHUNK = 64 * 1024  # as they come from a socket


def rows() -> bytes:
    """Make about 64 MiB of JSON that gzip makes a third of."""
    random = Random(1)
    made = [
        {"id": n, "name": f"customer {random.randrange(10**6)}", "amount": random.random() * 1000, "tags": ["a", "b"]}
        for n in range(800_000)
    ]
    return orjson.dumps(made)[: 64 * MIB]


async def ours(store: ObjectStore, block: bytes, times: int) -> int:
    """Send it as a callback's body is sent."""
    async with store.open_upload(job(), "billing", content_type="application/json", coding="gzip") as upload:
        for _ in range(times):
            for start in range(0, len(block), CHUNK):
                await upload.write(block[start : start + CHUNK])
        return (await upload.finish()).stored_size


async def piped(store: ObjectStore, block: bytes, times: int) -> int:
    """Pipe it through igzip into parts, with one part under way while the next is read."""
    command = (sys.executable, "-m", "isal.igzip", "-1", "-c")
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=PART)
    assert process.stdin is not None
    assert process.stdout is not None

    async def feed(pipe: asyncio.StreamWriter) -> None:
        for _ in range(times):
            for start in range(0, len(block), CHUNK):
                pipe.write(block[start : start + CHUNK])
                await pipe.drain()
        pipe.close()

    feeding = asyncio.create_task(feed(process.stdin))
    size = 0
    async with store.open_upload(job(), "piped", content_type="application/gzip", coding=None) as upload:
        upload._press = NoDigests()  # noqa: SLF001 - the shortest way
        while data := await process.stdout.read(PART):
            size += len(data)
            await upload.write(data)
        await upload.finish()
    await feeding
    await process.wait()
    return size


class NoDigests(Press):
    """Passes on what it is given."""

    def __init__(self) -> None:
        super().__init__(None)

    async def feed(self, chunks: list[bytes]) -> bytes:
        """Do nothing."""
        return b"".join(chunks)


def job() -> UUID:
    """Make a job's id."""
    return uuid7()


async def measure(which: str, settings: OffloadSettings, times: int) -> dict[str, float]:
    """Run one way and tell what it cost."""
    block = rows()
    store = ObjectStore(settings)
    await store.start()
    await store.put(b"x" * MIB, job(), "warm", content_type=None, coding="gzip")
    me = psutil.Process()
    idle = me.memory_info().rss
    begin_peak()
    began, cpu = time.perf_counter(), sum(me.cpu_times()[:2])
    stored = await (ours if which == "ours" else piped)(store, block, times)
    took, spent = time.perf_counter() - began, sum(me.cpu_times()[:2]) - cpu
    above = (peak_bytes() - idle) / MIB
    await store.stop()
    return {
        "MB/s": len(block) * times / took / 1e6,
        "seconds": took,
        "CPU seconds": spent,
        "MiB above idle": above,
        "ratio": len(block) * times / stored,
    }


def main() -> None:
    """Start a store and measure, or measure as the child that was asked to."""
    if len(sys.argv) > 1:
        which, times, given = sys.argv[1:]
        print(json.dumps(asyncio.run(measure(which, OffloadSettings.model_validate_json(given), int(times)))))
        return
    with tempfile.TemporaryDirectory() as place, EmbeddedStore(Path(place), bucket="results") as server:
        keys = StoreKeys(access_key=SecretStr(server.access_key), secret_key=SecretStr(server.secret_key))
        settings = OffloadSettings(bucket="results", endpoint_url=server.endpoint_url).model_dump(mode="json")
        settings["credentials"] = {name: value.get_secret_value() for name, value in keys if value is not None}
        for turn in range(3):
            for which in ("ours", "piped"):
                command = [sys.executable, "-m", "benchmarks.large.store_upload", which, "16", json.dumps(settings)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                told = ", ".join(f"{name} {value:.1f}" for name, value in json.loads(done.stdout).items())
                print(f"{turn} {which}: {told}", flush=True)


if __name__ == "__main__":
    main()
