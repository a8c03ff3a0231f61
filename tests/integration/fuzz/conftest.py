"""One running sidecar for the tests of a file, and a last look at what they left behind."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from sidecar.dev.postgres import EmbeddedPostgres
from tests.conftest import execute, run
from tests.integration.fuzz.running import Running, open_sidecar


@pytest.fixture(scope="module")
def running(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    name = f"fuzz_{uuid4().hex}"
    run(execute(postgres.superuser_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    with open_sidecar(postgres.dsn(name), tmp_path_factory.mktemp("fuzz")) as opened:
        yield opened
    run(execute(postgres.superuser_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def nothing_left(running: Running) -> Iterator[None]:
    """After the test no task is left of it, so no connection either, and the log tells of no fault."""
    yield
    running.until_idle()
    assert "internal_error" not in running.log()
