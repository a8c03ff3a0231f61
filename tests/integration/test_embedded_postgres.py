"""The embedded Postgres keeps what was committed, and never outlives its parent."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import psutil
import pytest

from sidecar.dev.postgres import EmbeddedPostgres, PostgresFailed
from sidecar.dev.postgres_home import settle

PARENT = """
import sys
from pathlib import Path
from sidecar.dev.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server(directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory / "own")


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_committed_rows_are_back_after_a_crash_on_the_same_port(server: EmbeddedPostgres) -> None:
    with server:
        dsn = server.superuser_dsn
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE kept (n int)")
        await connection.execute("INSERT INTO kept VALUES (42)")
        server.kill()
        assert not server.running
        connection.terminate()
        server.start()
        assert await fetch(dsn, "SELECT n FROM kept") == 42


async def test_a_restart_finds_the_data_and_stop_may_be_called_twice(server: EmbeddedPostgres) -> None:
    with server:
        before = await fetch(server.superuser_dsn, "SELECT system_identifier FROM pg_control_system()")
    server.stop()
    with server:
        after = await fetch(server.superuser_dsn, "SELECT system_identifier FROM pg_control_system()")
    assert before == after


async def test_it_is_durable_and_asks_for_a_password(server: EmbeddedPostgres) -> None:
    with server:
        assert await fetch(server.superuser_dsn, "SHOW fsync") == "on"
        assert await fetch(server.superuser_dsn, "SHOW synchronous_commit") == "on"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await fetch(server.superuser_dsn.replace(server.password, "wrong"), "SELECT 1")


def test_a_lock_file_with_a_strangers_process_id_does_not_stop_the_start(server: EmbeddedPostgres) -> None:
    with server:
        server.kill()
        lines = server.home.pid_file.read_text().splitlines()
        server.home.pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        server.start()
        assert server.running


def test_it_dies_with_a_parent_that_was_killed_and_starts_again(directory: Path) -> None:
    place = directory / "orphan"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        try:
            postmaster = psutil.Process(int(parent.stdout.readline()))
        finally:
            parent.send_signal(signal.SIGKILL)
    with EmbeddedPostgres(place) as again:
        assert again.pid != postmaster.pid
        postmaster.wait(timeout=60)


def test_a_taken_port_is_told_with_the_words_of_postgres(server: EmbeddedPostgres, directory: Path) -> None:
    with server:
        second = EmbeddedPostgres(directory / "second", port=server.port)
        with pytest.raises(PostgresFailed, match="Address already in use"):
            second.start()
        assert not second.running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_as_root_a_folder_that_nobody_can_enter_is_replaced_by_one_under_the_temporary_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    home = settle(closed / "postgres")
    assert home.directory.is_relative_to(directory)
    assert not home.directory.is_relative_to(closed)
    assert settle(closed / "postgres") == home
