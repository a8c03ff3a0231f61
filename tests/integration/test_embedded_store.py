"""The embedded object store keeps what was stored, and never outlives its parent."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from uuid_utils.compat import uuid7

from sidecar.dev.object_store import EmbeddedStore, ObjectStoreFailed
from sidecar.model.stored import StoredObject
from sidecar.offload.store import ObjectStore
from tests.integration.offload.builders import read, real_settings

PARENT = """
import sys
from pathlib import Path
from sidecar.dev.object_store import EmbeddedStore
server = EmbeddedStore(Path(sys.argv[1]), bucket="results")
server.start()
print(server.pid, server.endpoint_url, flush=True)
sys.stdin.read()
"""


async def put(server: EmbeddedStore, body: bytes) -> StoredObject:
    store = ObjectStore(real_settings(server), environ={})
    await store.start()
    try:
        return await store.put(body, uuid7(), "a", content_type=None, coding=None)
    finally:
        await store.stop()


async def get(server: EmbeddedStore, stored: StoredObject) -> bytes:
    store = ObjectStore(real_settings(server), environ={})
    await store.start()
    try:
        return await read(store, stored)
    finally:
        await store.stop()


async def test_objects_are_back_after_a_crash_and_in_a_later_run_at_the_same_address(directory: Path) -> None:
    with EmbeddedStore(directory / "kept", bucket="results") as server:
        address = server.endpoint_url
        stored = await put(server, b"before the crash")
        server.kill()
        assert not server.running
        server.start()
        assert server.endpoint_url == address
        assert await get(server, stored) == b"before the crash"
        server.kill()
    server.stop()
    with EmbeddedStore(directory / "kept", bucket="results") as later:
        assert later.endpoint_url == address
        assert await get(later, stored) == b"before the crash"
        later.kill()


def test_it_listens_on_loopback_only_and_keeps_its_keys_to_itself(directory: Path) -> None:
    with EmbeddedStore(directory / "private", bucket="results") as server:
        connections = psutil.Process(server.pid).net_connections()
        listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        for name in ("store.json", "s3.json"):
            assert (server.directory / name).stat().st_mode & 0o077 == 0
        assert server.secret_key.encode() not in server.log.read_bytes()
        server.kill()


def test_it_dies_with_a_parent_that_was_killed(directory: Path) -> None:
    place = directory / "orphan-store"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        try:
            child = psutil.Process(int(parent.stdout.readline().split()[0]))
        finally:
            parent.send_signal(signal.SIGKILL)
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_a_store_that_cannot_start_tells_its_log(directory: Path) -> None:
    with EmbeddedStore(directory / "first", bucket="results") as first:
        port = int(first.endpoint_url.rpartition(":")[2])
        second = EmbeddedStore(directory / "second-store", bucket="results", port=port)
        with pytest.raises(ObjectStoreFailed, match="ends with"):
            second.start()
        assert not second.running
        first.kill()
