"""A webhook breaks: why, and what follows, is found and done by the API, by commands and in the console."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.flows import Flow
from tests.acceptance.harness.replica import Replica, environment
from tests.acceptance.harness.retrying import stock_route
from tests.acceptance.harness.waiting import ask_until
from tests.acceptance.harness.world import Places, World
from tests.integration.operate.browser import open_browser

HOOK = "/crm/1.0/results"
TOKEN = "the-token-of-oncall-0123456789"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "oncall.token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
async def flow(world: World, places: Places, make_replica: MakeReplica, token: Path) -> Flow:
    over = {
        "retry": {"base": "1h", "scan_interval": "20ms"},
        "admin": {"tokens": [{"name": "oncall", "role": "operator", "token_file": str(token)}]},
    }
    replica = make_replica(stock_route(places), over=over)
    world.services.behaviours["stock"] = world.services.responds(lambda call: call.body)
    await replica.start()
    return Flow(world, replica)


async def broken(flow: Flow) -> str:
    """Send a request whose result the webhook refuses for good; its job."""
    flow.world.webhooks.status[HOOK] = 410
    job = await flow.accepted("/stock")

    async def known() -> bool:
        return [one["state"] for one in (await flow.state(job))["deliveries"]] == ["failed"]

    await ask_until(known, f"the message of {job} failed")
    flow.world.webhooks.status.clear()
    return job


def ask(replica: Replica, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{replica.ports.admin_url}/api/v1{path}"
    answer = requests.request("GET" if body is None else "POST", url, json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def command(replica: Replica, token: Path, *words: str) -> Any:
    way = ["--api", replica.ports.admin_url, "--token-file", str(token)]
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", *words, *way],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_console(replica: Replica, look: Callable[[Page], None]) -> None:
    with open_browser() as browser:
        page = browser.new_page(base_url=replica.ports.admin_url)
        page.goto("/console")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/console")
        look(page)


def by_api(replica: Replica, token: Path, job: str) -> None:  # noqa: ARG001 - each way is called alike
    (found,) = ask(replica, "/jobs?state=failed")["jobs"]
    assert found["job_id"] == job
    assert ask(replica, f"/jobs/{job}")["events"][-1]["reason"] == "gone"
    dry = ask(replica, "/retries/redrive", {"which": {"job_id": job}})
    assert (dry["dry_run"], dry["count"]) == (True, 1)
    assert ask(replica, "/retries/redrive", {"which": dry["which"], "dry_run": False})["count"] == 1


def by_commands(replica: Replica, token: Path, job: str) -> None:
    assert job in command(replica, token, "jobs", "list", "--state", "failed")
    assert "410. It can be redriven. [gone]" in command(replica, token, "jobs", "show", job)
    assert "1 message redriven" in command(replica, token, "retries", "redrive", "--reason", "gone", "--yes")


def by_console(replica: Replica, token: Path, job: str) -> None:  # noqa: ARG001 - each way is called alike
    def look(page: Page) -> None:
        page.get_by_role("link", name="Jobs").click()
        page.get_by_label("State").select_option("failed")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name=re.compile(job[:8])).click()
        expect(page.get_by_role("listitem").filter(has_text="failed for good")).to_contain_text("gone")
        page.get_by_role("button", name="Redrive").click()
        page.get_by_role("button", name="Redrive 1 message").click()
        expect(page.get_by_role("status")).to_contain_text("1 message redriven.")

    in_console(replica, look)


def seen_delivered(replica: Replica, token: Path, job: str) -> None:
    """See it in all three."""
    story = ask(replica, f"/jobs/{job}")
    assert (story["job"]["state"], story["events"][-1]["what"]) == ("done", "delivered")
    (story,) = map(orjson.loads, command(replica, token, "jobs", "show", job, "--json").splitlines())
    assert story["job"]["state"] == "done"

    def look(page: Page) -> None:
        page.goto(f"/console/jobs/{job}")
        expect(page.get_by_role("listitem").filter(has_text="was delivered")).to_have_count(1)
        expect(page.get_by_role("listitem").filter(has_text="Redriven by")).to_have_count(1)

    in_console(replica, look)


async def test_why_a_webhook_got_nothing_is_found_and_what_it_missed_is_sent_again(flow: Flow, token: Path) -> None:
    for redrive in (by_api, by_commands, by_console):
        job = await broken(flow)
        await asyncio.to_thread(redrive, flow.replica, token, job)

        async def delivered(job: str = job) -> bool:
            return [one["state"] for one in (await flow.state(job))["deliveries"]] == ["delivered"]

        await ask_until(delivered, f"{job} is delivered")
        assert len(flow.world.webhooks.by_job[job]) == 2
        await asyncio.to_thread(seen_delivered, flow.replica, token, job)
