"""``sidecar config check --online``, as people run it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.postgres import EmbeddedPostgres

SETTINGS = """
gateway: {{identity: {{type: none}}}}
callbacks: {{base_url: "http://sidecar:8081", token_secrets_file: /secrets/callback-tokens}}
database: {{dsn: "{dsn}"}}
offload: {{bucket: {bucket}, endpoint_url: "{endpoint}"}}
routes: [{{path: /orders, services: [{{name: billing, url: "http://billing:9000/orders"}}]}}]
"""


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "online", bucket="results") as started:
        yield started
        started.kill()


async def check(place: Path, server: EmbeddedStore, dsn: str, bucket: str) -> subprocess.CompletedProcess[str]:
    file = place / "sidecar.yaml"
    file.write_text(SETTINGS.format(dsn=dsn, bucket=bucket, endpoint=server.endpoint_url))
    environ = {
        "PATH": "/usr/bin:/bin",
        "SIDECAR_OFFLOAD__CREDENTIALS__ACCESS_KEY": server.access_key,
        "SIDECAR_OFFLOAD__CREDENTIALS__SECRET_KEY": server.secret_key,
    }
    command = [sys.executable, "-m", "sidecar", "config", "check", "--online", "--config", str(file)]
    return await asyncio.to_thread(
        subprocess.run, command, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


async def test_all_is_well(tmp_path: Path, server: EmbeddedStore, database: str) -> None:
    done = await check(tmp_path, server, database, "results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    database: can be reached" in done.stdout
    assert "ok    objects: can be written, read and removed" in done.stdout
    assert "FAIL" not in done.stdout
    assert server.secret_key not in done.stdout + done.stderr


async def test_what_is_wrong_is_told_with_its_remedy_and_exit_1(
    tmp_path: Path, server: EmbeddedStore, postgres: EmbeddedPostgres
) -> None:
    done = await check(tmp_path, server, postgres.superuser_dsn, "nowhere")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL  database: the schema has version 0" in done.stdout
    assert "sidecar migrate" in done.stdout
    assert "FAIL  bucket: cannot find the bucket nowhere" in done.stdout
    assert "Traceback" not in done.stderr


async def test_a_database_that_is_away_is_told(tmp_path: Path, server: EmbeddedStore) -> None:
    done = await check(tmp_path, server, "postgresql://sidecar:hush@127.0.0.1:1/sidecar", "results")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL  database: " in done.stdout
    assert "hush" not in done.stdout + done.stderr
