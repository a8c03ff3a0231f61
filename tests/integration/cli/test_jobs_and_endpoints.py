"""``sidecar jobs`` and ``sidecar endpoints``, as people run them: over the database, and over the API."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_retries import SETTINGS
from tests.integration.ledger.kit import ENDPOINT
from tests.integration.operate.desk import TOKENS, Desk, open_desk
from tests.integration.operate.test_api import failed, waiting


class Commands:
    """Runs ``sidecar`` in one of its two ways."""

    def __init__(self, way: list[str]) -> None:
        self.way = way

    def __call__(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sidecar", *words, *self.way]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert "Traceback" not in done.stderr, done.stderr
        assert "hush" not in done.stdout + done.stderr
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def json(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*words, "--json").stdout.splitlines()]


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as opened:
        yield opened


@pytest.fixture(params=["database", "api"])
def sidecar(request: pytest.FixtureRequest, desk: Desk, database: str, tmp_path: Path) -> Commands:
    if request.param == "api":
        token = tmp_path / "token"
        token.write_text(TOKENS["oncall"] + "\n")
        return Commands(["--api", desk.url, "--token-file", str(token)])
    file = tmp_path / "sidecar.yaml"
    file.write_text(SETTINGS.format(dsn=database))
    return Commands(["--config", str(file)])


def test_where_a_job_is_and_why(desk: Desk, sidecar: Commands) -> None:
    job = waiting(desk, correlation_id="order-7")
    other = failed(desk)
    lines = sidecar("jobs", "list").stdout.splitlines()
    assert lines[0].split()[:3] == ["job", "state", "age"]
    assert [line.split()[:2] for line in lines[1:]] == [[other, "failed"], [job, "retrying"]]
    assert [row["job_id"] for row in sidecar.json("jobs", "list", "--correlation-id", "order-7")] == [job]
    assert [row["job_id"] for row in sidecar.json("jobs", "list", "--state", "failed", "--since", "1h")] == [other]
    assert "more than 1" in sidecar("jobs", "list", "--limit", "1").stderr
    assert "--since 14d" in sidecar("jobs", "list", "--route", "/none").stderr
    shown = sidecar("jobs", "show", job, "--full").stdout
    assert "was answered with 503. [status_503] (0.25 s)" in shown
    assert "It is sent again when its time has come. [backoff]" in shown
    assert "https://hooks.example/crm/1.0/results?(not shown)" in shown
    (story,) = sidecar.json("jobs", "show", job)
    assert (story["job"]["state"], story["callback_url"]) == ("retrying", None)
    assert "there is no job" in sidecar("jobs", "show", "01a209c8-ed00-7d23-aab6-e8c29e93e8ec", status=1).stderr


def test_a_tail_shows_jobs_as_they_come(desk: Desk, sidecar: Commands) -> None:
    job = waiting(desk)
    (line,) = sidecar("jobs", "tail", "--count", "1").stdout.splitlines()
    assert line.split()[1:3] == [job, "retrying"]


def test_an_endpoint_is_paused_and_resumed(desk: Desk, sidecar: Commands) -> None:
    assert "all is well" in sidecar("endpoints", "list").stderr
    waiting(desk)
    assert ENDPOINT in sidecar("endpoints", "list").stdout
    paused = sidecar("endpoints", "pause", "crm", "--reason", "their upgrade", "--for", "2h").stdout
    assert "(their upgrade), until" in paused
    (view,) = sidecar.json("endpoints", "show", ENDPOINT)
    assert (view["state"], view["retrying"], view["name"]) == ("held", 1, "crm")
    assert "resumed" in sidecar("endpoints", "resume", "crm").stdout
    assert "nothing kept" in sidecar("endpoints", "resume", "crm", status=1).stderr
    assert sidecar("endpoints", "pause", "crm", "--reason", "x", "--for", "soon", status=2).stderr


def test_retries_go_either_way(desk: Desk, sidecar: Commands) -> None:
    job = failed(desk)
    assert sidecar.json("retries", "list", "--endpoint", "crm")[0]["job_id"] == job
    assert "1 message redriven" in sidecar("retries", "redrive", "--endpoint", "crm", "--yes").stdout
    assert "1 message cancelled" in sidecar("retries", "cancel", job, "billing").stdout
    assert "cancelled" in sidecar("retries", "show", job).stdout


def test_an_api_that_is_not_there_or_refuses_is_told(desk: Desk, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong")
    way = ["--token-file", str(token), "--api"]
    assert "Send a token of admin.tokens" in Commands([*way, desk.url])("jobs", "list", status=1).stderr
    assert "no answer from" in Commands([*way, "http://127.0.0.1:1"])("jobs", "list", status=1).stderr
    assert "token" in Commands(["--api", desk.url])("jobs", "list", status=2).stderr
    token.write_text(TOKENS["desk"])
    refused = Commands([*way, desk.url])("endpoints", "pause", "crm", "--reason", "x", status=1)
    assert "role operator" in refused.stderr


def test_shells_complete_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "--show-completion", "bash"], capture_output=True, text=True, check=False
    )
    assert "_SIDECAR_COMPLETE" in done.stdout, done.stderr
