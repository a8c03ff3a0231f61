"""Probes and metrics over a real socket."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from sidecar.telemetry.log import make_log
from sidecar.telemetry.metrics import Metrics
from sidecar.web.admin import AdminHandler
from sidecar.web.server import serve
from sidecar.web.tokens import NamedToken, Tokens


@dataclass
class State:
    reason: str | None = None
    metrics: Metrics = field(default_factory=Metrics)


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
async def admin(state: State) -> AsyncIterator[aiohttp.ClientSession]:
    handler = AdminHandler(ready=lambda: state.reason, metrics=state.metrics)
    listener = await serve(
        handler, name="admin", host="127.0.0.1", port=0, log=make_log("json", "info", io.BytesIO()), reuse_port=True
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as client:
        yield client
    await listener.stop(1)


async def test_a_process_is_alive_and_ready(admin: aiohttp.ClientSession) -> None:
    for path, status in (("/livez", "alive"), ("/readyz", "ready")):
        async with admin.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"status": status})


@pytest.mark.parametrize("reason", ["starting", "stopping", "waiting for the database"])
async def test_a_process_that_is_not_ready_says_why_and_is_still_alive(
    reason: str, admin: aiohttp.ClientSession, state: State
) -> None:
    state.reason = reason
    async with admin.get("/readyz") as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["code"], problem["reasons"]) == (503, "not_ready", [reason])
    async with admin.get("/livez") as answer:
        assert answer.status == 200


async def test_metrics_are_shown_in_the_text_format(admin: aiohttp.ClientSession, state: State) -> None:
    state.metrics.job_answered(202)
    async with admin.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        assert 'sidecar_jobs_total{status="202"} 1.0' in await answer.text()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/livez", 405)])
async def test_there_is_nothing_else(method: str, path: str, status: int, admin: aiohttp.ClientSession) -> None:
    async with admin.request(method, path) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("Bearer", 401), ("bearer s3cret", 200)],
)
async def test_a_path_that_is_not_open_needs_a_token(authorization: str | None, status: int, state: State) -> None:
    handler = AdminHandler(
        ready=lambda: None,
        metrics=state.metrics,
        open_paths=["/livez"],
        tokens=Tokens([NamedToken("desk", "viewer", "another"), NamedToken("oncall", "operator", "s3cret")]),
    )
    log = make_log("json", "info", io.BytesIO())
    listener = await serve(handler, name="admin", host="127.0.0.1", port=0, log=log)
    headers = {} if authorization is None else {"Authorization": authorization}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as client:
        async with client.get("/metrics", headers=headers) as answer:
            assert answer.status == status
            assert "s3cret" not in await answer.text()
        async with client.get("/livez") as answer:
            assert answer.status == 200
    await listener.stop(1)
