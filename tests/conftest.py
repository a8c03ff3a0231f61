"""Shared fixtures: one real Postgres for the run, a fresh migrated database for a test, no task left behind."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import settings

from sidecar.dev import ports
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.ledger.migrate import migrate

# How long an example takes says more of the machine than of the program.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

T = TypeVar("T")
SHARE = (("WORKER", "gw0"), ("WORKER_COUNT", "1"))

# Processes that share the tests have ports of their own: one could take what another has found and not yet bound.
_number, _count = (int(os.environ.get(f"PYTEST_XDIST_{name}", default).strip("gw")) for name, default in SHARE)
ports._turns = ports.turns(ports.OURS[_number::_count])

ENGINE = "engine"
"""A property of tests that run what is shipped in somebody else's engine: its name and version."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell which engines ran, so that nobody has to believe that they did."""
    ran: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            ran.update(str(value) for name, value in report.user_properties if name == ENGINE)
    if ran:
        terminalreporter.section("engines that ran what is shipped")
    for version, tests in ran.items():
        terminalreporter.line(f"{version}: {tests} tests")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own, and leave the test's loop alone (asyncio.run would unset it)."""

    def begin() -> T:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(work)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return begin()
    with ThreadPoolExecutor(1) as threads:  # a browser's driver keeps a loop running in this one
        return threads.submit(begin).result()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """A folder that the server's user can enter too, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="sidecar-tests-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    """One server for the whole run, fsync on; a test that kills it starts it again."""
    with EmbeddedPostgres(directory / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The database that each test's own is a copy of."""
    run(execute(postgres.superuser_dsn, "CREATE DATABASE migrated"))
    run(migrate(postgres.dsn("migrated")))
    return "migrated"


@pytest.fixture
def database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    name = f"test_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield postgres.dsn(name)
    finally:
        run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def task_watch() -> AsyncIterator[None]:
    """Fail the test that leaves a task running; tasks that are about to end may do so."""
    before = asyncio.all_tasks()
    yield
    pending = asyncio.all_tasks() - before - {asyncio.current_task()}
    if pending:
        _, pending = await asyncio.wait(pending, timeout=30)
    if pending:
        pytest.fail("tasks left behind: " + ", ".join(sorted(str(task.get_coro()) for task in pending)))


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest) -> None:
    """Watch the tests that have a loop. Set up first, hence torn down last: after the test's other fixtures."""
    if asyncio.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("task_watch")
