"""``sidecar retries``, as people run it, on rows that a replica made."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sidecar.model.delivery import DeliveryState
from tests.integration.ledger.kit import ENDPOINT, Replica, connection, make_end, replica
from tests.integration.ledger.retrying import HOUR, claimed, delivering, make_failure, make_retry_end, retrying, row_of

SETTINGS = """
gateway: {{identity: {{type: none}}}}
callbacks: {{base_url: "http://sidecar:8081", token_secrets_file: /secrets/callback-tokens}}
database: {{dsn: "{dsn}"}}
webhook: {{endpoints: [{{name: crm, match: "https://hooks.example/crm/1.0"}}]}}
routes: [{{path: /orders, services: [{{name: billing, url: "http://billing:9000/orders"}}]}}]
"""
CALLBACK = "https://hooks.example/crm/1.0/results?token=hush"
OTHER = "https://third.example:443"


class Commands:
    """Runs ``sidecar retries`` with a settings file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def __call__(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sidecar", "retries", *words, "--config", str(self._file)]
        done = await asyncio.to_thread(
            subprocess.run, command, input=answer, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "hush" not in done.stdout + done.stderr
        return done

    async def json(self, *words: str) -> list[dict[str, object]]:
        done = await self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def retries(tmp_path: Path, database: str) -> Commands:
    file = tmp_path / "sidecar.yaml"
    file.write_text(SETTINGS.format(dsn=database))
    return Commands(file)


async def waiting(here: Replica, **over: Any) -> str:
    """A message whose next attempt comes in an hour; its job."""
    job, (message,) = await delivering(here, **{"callback_url": CALLBACK, **over})
    await here.ledger.finish(make_failure(message, retry_in=HOUR))
    return str(job.job_id)


async def failed(here: Replica, **over: Any) -> str:
    """A message that failed at once; its job."""
    job, (message,) = await delivering(here, **{"callback_url": CALLBACK, **over})
    await here.ledger.finish(make_end(message, state=DeliveryState.FAILED, status=410, reason="gone"))
    return str(job.job_id)


async def test_a_list_shows_what_waits_and_what_failed_newest_first(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        first, second = await waiting(here, correlation_id="one"), await failed(here, endpoint=OTHER)
        done = await retries("list")
        assert done.returncode == 0, done.stderr
        header, *lines = done.stdout.splitlines()
        assert header.split()[:4] == ["job", "service", "state", "why"]
        assert [line.split()[:4] for line in lines] == [
            [second, "billing", "failed", "gone"],
            [first, "billing", "pending", "backoff"],
        ]
        (row,) = await retries.json("list", "--correlation-id", "one", "--since", "2h")
        assert (row["job_id"], row["callback_host"], row["waits_for"]) == (first, "hooks.example", "backoff")
        assert "callback_url" not in row
        assert [row["job_id"] for row in await retries.json("list", "--endpoint", OTHER)] == [second]
        assert [row["job_id"] for row in await retries.json("list", "--endpoint", "crm")] == [first]
        assert not await retries.json("list", "--since", "1h", "--until", "30m")
        cut = await retries("list", "--limit", "1", "--json")
        assert [json.loads(line)["job_id"] for line in cut.stdout.splitlines()] == [second]
        assert "more than 1" in cut.stderr


async def test_one_is_shown_with_its_history_and_why_it_waits(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        job = str((await retrying(here, callback_url=CALLBACK)).job_id)
        (retry,) = await claimed(here)
        assert "being sent right now" in (await retries("show", job)).stdout
        await here.ledger.finish_retry(make_retry_end(retry))
        shown = (await retries("show", job, "billing")).stdout
        assert "waits          its time has not come" in shown
        assert "webhook        hooks.example  (endpoint" in shown
        assert "answered 503, status_503, 0.25 s" in shown
        assert "answered 502, status_502, 0.5 s" in shown
        await here.ledger.endpoints.open(ENDPOINT, seconds=60, reason="connect")
        full = (await retries("show", job, "--full")).stdout
        assert "https://hooks.example/crm/1.0/results?(not shown)" in full
        assert "its endpoint is away" in full
        assert "open since" in full
        (row,) = await retries.json("show", job, "--full")
        assert row["callback_url"] == "https://hooks.example/crm/1.0/results?(not shown)"


async def test_why_there_is_nothing_to_show_is_told_with_exit_1(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        job, (message,) = await delivering(here)
        await here.ledger.finish(make_end(message))
        done = await retries("show", str(job.job_id))
        assert done.returncode == 1
        assert "billing  delivered, 1 attempts" in done.stderr
        unknown = await retries("show", str(here.ledger.new_job_id()))
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "there is no job" in unknown.stderr
        assert (await retries("show", "nonsense")).returncode == 2


async def test_a_redrive_takes_the_place_of_the_next_attempt(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        job = await waiting(here)
        done = await retries("redrive", job, "billing", "--new-id")
        assert (done.returncode, done.stdout) == (0, "1 message redriven\n"), done.stderr
        (retry,) = await claimed(here)
        assert (str(retry.job_id), retry.message_id) == (job, f"{job}:billing:succeeded:r1")
        again = await retries("redrive", job)
        assert (again.returncode, again.stdout) == (1, "0 messages redriven\n")
        await here.ledger.finish_retry(make_retry_end(retry))
        row = await row_of(database, retry.job_id)
        assert (row["redrives"], row["retry_count"]) == (1, 1)


async def test_many_are_asked_about_and_only_then_redriven(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        await waiting(here)
        await failed(here, endpoint=OTHER)
        for words, answer, status in ((["--dry-run"], "", 0), ([], "n\n", 1), ([], "", 1)):
            done = await retries("redrive", "--since", "1h", *words, answer=answer)
            assert done.returncode == status
            assert "2 messages to redrive" in done.stdout
            assert f"1  failed     {OTHER}" in done.stdout
            assert "redriven" not in done.stdout
        done = await retries("redrive", "--since", "1h", "--reason", "gone", answer="y\n")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Redrive them? [y/N]: 1 message redriven")
        done = await retries("redrive", "--state", "pending", "--endpoint", "crm", "--yes")
        assert done.stdout.splitlines()[-1] == "1 message redriven"
        assert len(await here.ledger.claim_retries({OTHER: 5, ENDPOINT: 5})) == 2


async def test_what_a_redrive_leaves_out_is_counted(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        kept, gone = await failed(here), await failed(here)
        async with connection(database) as direct:
            await direct.execute("DELETE FROM payload WHERE job_id = $1 AND service = 'billing'", UUID(gone))
        done = await retries("redrive", "--since", "1h", "--yes")
        assert done.returncode == 0
        assert "2 messages to redrive" in done.stdout
        assert "1 message redriven\n1 message left out: each is being sent, its body is gone" in done.stdout
        assert [row["job_id"] for row in await retries.json("list", "--state", "pending")] == [kept]
        done = await retries("redrive", gone)
        assert (done.returncode, done.stdout) == (1, "0 messages redriven\n")
        assert "its body is gone" in done.stderr


async def test_nothing_is_done_to_everything_by_mistake(retries: Commands) -> None:
    for command in ("redrive", "cancel"):
        done = await retries(command, "--yes")
        assert done.returncode == 2
        assert "--endpoint" in done.stderr
    assert (await retries("redrive", "--state", "delivered")).returncode == 2
    assert (await retries("redrive", "--since", "yesterday")).returncode == 2


async def test_cancelling_ends_what_waits_and_first_attempts_only_if_asked(database: str, retries: Commands) -> None:
    async with replica(database) as here:
        one, other = await waiting(here), await waiting(here, route="/other")
        job, (unsent,) = await delivering(here)
        done = await retries("cancel", one)
        assert (done.returncode, done.stdout) == (0, "1 message cancelled\n")
        done = await retries("cancel", "--since", "1h", answer="y\n")
        assert "1 message to cancel" in done.stdout
        assert done.stdout.splitlines()[-1].endswith("1 message cancelled")
        rows = await retries.json("list", "--state", "cancelled")
        assert {row["job_id"] for row in rows} == {one, other}
        assert (await retries("cancel", "--since", "1h", "--unsent", "--yes")).stdout.endswith("1 message cancelled\n")
        assert not await here.ledger.finish(make_end(unsent))
        done = await retries("cancel", str(job.job_id))
        assert done.returncode == 1
        assert "nothing of this job waits" in done.stderr


async def test_a_database_that_is_away_is_told_with_what_helps(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(SETTINGS.format(dsn="postgresql://sidecar:hush@127.0.0.1:1/sidecar"))
    done = await Commands(file)("list")
    assert done.returncode == 1
    assert "sidecar config check --online" in done.stderr
