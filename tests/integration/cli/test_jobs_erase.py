"""``sidecar jobs erase``, as people run it, on rows that a replica made and on objects of a real store."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.dev.object_store import EmbeddedStore
from sidecar.offload.store import ObjectStore
from tests.integration.ledger.kit import Replica, connection, make_end, make_job, replica, stored
from tests.integration.ledger.retrying import delivering
from tests.integration.offload.builders import BUCKET, keys_of, real_settings


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "erased", bucket=BUCKET) as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedStore) -> AsyncIterator[ObjectStore]:
    opened = ObjectStore(real_settings(server), environ={})
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


class Erase:
    """Runs the command with a settings file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def __call__(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sidecar", "jobs", "erase", *words, "--config", str(self._file)]
        done = await asyncio.to_thread(
            subprocess.run, command, input=answer, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def erase(tmp_path: Path, database: str, server: EmbeddedStore) -> Erase:
    for name, key in (("access", server.access_key), ("secret", server.secret_key)):
        (tmp_path / name).write_text(key)
    credentials = {"access_key_file": str(tmp_path / "access"), "secret_key_file": str(tmp_path / "secret")}
    settings = {
        "gateway": {"identity": {"type": "none"}},
        "callbacks": {"base_url": "http://sidecar:8081", "token_secrets_file": "/secrets/callback-tokens"},
        "database": {"dsn": database},
        "offload": {"bucket": BUCKET, "endpoint_url": server.endpoint_url, "credentials": credentials},
        "routes": [{"path": "/orders", "services": [{"name": "billing", "url": "http://billing:9000/orders"}]}],
    }
    file = tmp_path / "sidecar.yaml"
    file.write_text(yaml.safe_dump(settings))
    return Erase(file)


async def done_job(here: Replica, store: ObjectStore, **over: Any) -> str:
    """A job that is over, with a body in the store and one that the ledger does not know."""
    job, (message,) = await delivering(here, **over)
    for service in ("billing", "unknown"):
        made = await store.put(b"body", job.job_id, service, content_type=None, coding=None)
        if service == "billing":
            await here.ledger.objects.kept(job.job_id, service, made.dump())
    await here.ledger.finish(make_end(message))
    return str(job.job_id)


async def audit(dsn: str) -> list[tuple[str, str, str]]:
    async with connection(dsn) as direct:
        return [(row["action"], row["role"], row["target"]) for row in await direct.fetch("SELECT * FROM audit")]


async def test_a_job_is_erased_with_its_objects_once_and_it_is_noted(
    database: str, store: ObjectStore, erase: Erase
) -> None:
    async with replica(database) as here:
        job, other = await done_job(here, store), await done_job(here, store)
        asked = await erase(job, answer="n\n")
        assert (asked.returncode, len(await keys_of(store))) == (1, 4)
        first = await erase(job, "--yes")
        assert first.returncode == 0, first.stderr
        assert first.stdout == "1 job erased; bodies in the database: 2, in the object store: 2\n"
        assert [key for key in await keys_of(store) if job in key] == []
        assert len([key for key in await keys_of(store) if other in key]) == 2
        again = await erase(job, "--yes")
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "1 job had been erased before")
        assert await audit(database) == [("erase", "cli", job)] * 2
        await erase(other, "--yes")


async def test_all_jobs_of_a_correlation_id_are_erased_but_for_those_that_run(
    database: str, store: ObjectStore, erase: Erase
) -> None:
    async with replica(database) as here:
        jobs = [await done_job(here, store, correlation_id="order-7") for _ in range(2)]
        running = await stored(here.ledger, make_job(here.ledger, correlation_id="order-7"))
        await done_job(here, store, correlation_id="order-8")
        told = await erase("--correlation-id", "order-7", "--dry-run")
        assert (told.returncode, told.stdout.splitlines()[0]) == (0, "3 jobs to erase:")
        assert {line.strip() for line in told.stdout.splitlines()[1:]} == {*jobs, str(running.job_id)}
        done = await erase("--correlation-id", "order-7", "--yes")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            1,
            "2 jobs erased; bodies in the database: 4, in the object store: 4",
        )
        assert f"{running.job_id} still waits for a service; wait until it has ended, or" in done.stderr
        rest = await erase("--correlation-id", "order-7", "--yes", "--cancel")
        assert rest.returncode == 0, rest.stderr
        assert rest.stdout.splitlines()[-2:] == [
            "1 job erased; bodies in the database: 1, in the object store: 0",
            "2 jobs had been erased before",
        ]
        assert len(await keys_of(store)) == 2


async def test_a_store_that_is_away_is_told_and_the_same_command_finishes_it(
    database: str, store: ObjectStore, server: EmbeddedStore, erase: Erase
) -> None:
    async with replica(database) as here:
        job = await done_job(here, store)
        server.kill()
        away = await erase(job, "--yes")
        assert away.returncode == 1
        assert "run the same command again to finish it" in away.stderr
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT count(*) FROM payload") == 0
            assert await direct.fetchval("SELECT erased_at IS NULL FROM job")
        server.start()
        again = await erase(job, "--yes")
        assert again.returncode == 0, again.stderr
        assert [key for key in await keys_of(store) if job in key] == []
        async with connection(database) as direct:
            assert await direct.fetchval("SELECT erased_at IS NOT NULL FROM job")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "name one job"),
        (("01a209c8-ed00-7d23-aab6-e8c29e93e8ec", "--correlation-id", "x"), 2, "name one job"),
        (("no-job",), 2, "x-job-id"),
        (("--correlation-id", "nobody", "--yes"), 1, "no job has this correlation id"),
        (("01a209c8-ed00-7d23-aab6-e8c29e93e8ec", "--yes"), 1, "there is no job"),
    ],
)
async def test_what_is_not_there_or_not_named_is_told(
    erase: Erase, words: tuple[str, ...], code: int, said: str
) -> None:
    done = await erase(*words)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (code, True), done.stderr
