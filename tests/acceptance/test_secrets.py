"""One full run with secrets planted everywhere; then everything that anybody can read is searched for them."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any, Final

import pytest
import yaml

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.dev.postgres import EmbeddedPostgres
from sidecar.settings.load import load_settings
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.guarded import GuardedWebhooks
from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.key_manager import KeyManager
from tests.acceptance.harness.planted import (
    ADMIN_TOKEN,
    BY_ENVIRONMENT,
    CALLERS,
    QUERY,
    Searched,
    columns_with_secrets,
    dumped,
    planted_secrets,
    planted_settings,
    talkative_webhooks,
    wrong_sections,
)
from tests.acceptance.harness.replica import Replica, ending, run_command
from tests.acceptance.harness.retrying import BUCKET
from tests.acceptance.harness.services import Call
from tests.acceptance.harness.site import KEY_HEADER, route, service
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

BY_DESIGN: Final = {
    # Where results go, with its query: the message is sent there, also after a crash and by a redrive.
    ("job", "callback_url"),
    ("oas_webhook_retry", "callback_url"),
    # Requests until every service has them, and results until retention.bodies: what the ledger is there to keep.
    ("payload", "body"),
}
ENDS: Final = (("/stock", "/crm/1"), ("/stock", "/gone/1"), ("/stock", "/away/1"), ("/one", "/crm/1"))


@dataclass
class Site:
    """What a run consists of, and what was read of it so far."""

    world: World
    replica: Replica
    hooks: GuardedWebhooks
    key_manager: KeyManager
    postgres: EmbeddedPostgres
    dsn: str
    directory: Path
    searched: Searched
    jobs: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.replica.ports.gateway_url

    async def submit(self, path: str, hook: str, body: bytes = b"PLANTED-request") -> str:
        """Send a request that is full of secrets, and is accepted; its job."""
        answer = await self.world.submit(self.url + path, body, hook=self.hooks.url + hook + QUERY, **CALLERS)
        assert answer.status == 202, answer
        self.read(f"answer {len(self.jobs)}", answer)
        self.jobs.append(answer.headers["x-job-id"])
        return self.jobs[-1]

    def read(self, where: str, answer: Answer) -> None:
        assert where not in self.searched.read
        self.searched.read[where] = f"{answer.status}{answer.headers}{answer.body!r}"


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "store-of-secrets", bucket=BUCKET) as server:
        yield server


@pytest.fixture
async def site(  # noqa: PLR0917 - fixtures
    world: World,
    places: Places,
    make_replica: MakeReplica,
    postgres: EmbeddedPostgres,
    database: str,
    tmp_path: Path,
    store: EmbeddedStore,
) -> AsyncIterator[Site]:
    authority = Authority(tmp_path)
    key_manager = KeyManager(free_port(), authority.server())
    hooks = talkative_webhooks(free_port(), authority, key_manager)
    over = planted_settings(tmp_path, authority=authority, key_manager=key_manager, hooks=hooks, store=store)
    at, services = places.services_url, world.services
    routes = [
        route("/stock", service("stock", at, completion="response")),
        route("/one", service("billing", at)),
        route("/refusing", service("risk", at, retry="none")),
    ]
    services.behaviours |= {
        "stock": services.responds(lambda call: b"PLANTED-result" + call.body),
        "billing": services.answers(202),
        "risk": services.answers(409, b"PLANTED-service-error"),
    }
    searched = Searched(planted_secrets(database, store))
    await key_manager.start()
    await hooks.start()
    try:
        replica = make_replica(routes, over=over)
        yield Site(world, replica, hooks, key_manager, postgres, database, tmp_path, searched)
    finally:
        await hooks.stop()
        await key_manager.stop()


async def test_no_secret_and_no_query_of_a_url_is_told_to_anybody(site: Site) -> None:
    with ending(site.replica):
        await site.replica.start()
        await let_jobs_end_well_and_badly(site)
        call = await wait_for_a_callback_address(site)
        await ask_wrongly(site, call)
        await let_the_key_manager_refuse(site)
        await restart_postgres(site, call)
        await ask_as_operators_and_monitoring(site)
        await run_commands(site)
        dump = await asyncio.to_thread(dumped, site.postgres, site.dsn)
        assert columns_with_secrets(dump, site.searched) == BY_DESIGN
        assert await site.replica.stop() == 0
        site.searched.read["log"] = site.replica.log.read_text()
        assert all(job in site.searched.read["log"] for job in site.jobs)
        await misconfigure(site)
    assert site.searched.found() == []


async def let_jobs_end_well_and_badly(site: Site) -> None:
    """Let results be taken, be refused for good, be waited for, and be too large for a message."""
    taken, gone, away, _ = [await site.submit(path, hook) for path, hook in ENDS]
    large = await site.submit("/stock", "/crm/1", b"PLANTED-request" * 50_000)
    for job in (taken, large):
        await wait_until(lambda job=job: site.hooks.taken(job), "a message")  # type: ignore[misc]
    for job in (gone, away):
        await wait_until(lambda job=job: site.hooks.of(job), "an attempt")  # type: ignore[misc]


async def wait_for_a_callback_address(site: Site) -> Call:
    """Wait for the call of a service; what proves that it is called by us is a secret too."""
    (call,) = await wait_until(lambda: site.world.services.called("billing"), "the service is called")
    token = call.callback_url.rpartition("/")[2]
    site.searched.secrets += [token, token[:-2]]
    return call


async def ask_wrongly(site: Site, call: Call) -> None:
    """Ask for what is refused; the refusals must not repeat what they were shown."""
    world, send, stock = site.world, site.world.client.send, site.url + "/stock"
    wrong_key = {KEY_HEADER: "PLANTED-wrong", "callback-url": world.hook}
    answers = [
        await send("POST", call.callback_url[:-2] + "zz", body=b"PLANTED-result"),
        await send("POST", call.callback_url, body=b"PLANTED-result", headers={"x-result-status": "PLANTED"}),
        await send("POST", stock, headers=wrong_key),
        await world.submit(stock, hook="https://10.0.0.1/x" + QUERY),
        await world.submit(stock, hook="ftp://u:PLANTED@10.0.0.1/x" + QUERY),
        await world.submit(stock, upload_url="https://10.0.0.1/x?X-Amz-Signature=PLANTED"),
        await world.submit(stock, idempotency_key='"PLANTED'),
        await world.submit(site.url + "/refusing", b"PLANTED-request", **CALLERS),
        await world.submit(site.url + "/PLANTED"),
    ]
    assert [answer.status for answer in answers] == [404, 400, 401, 403, 400, 403, 400, 502, 404], answers
    for number, answer in enumerate(answers):
        site.read(f"problem {number}", answer)


async def let_the_key_manager_refuse(site: Site) -> None:
    """Let it refuse, and say the secret that it was shown."""
    site.key_manager.clients.clear()
    job = await site.submit("/stock", "/refused/1")

    async def waits() -> Any:
        state = (await site.world.ask(f"{site.url}/_jobs/{job}")).json
        return any(one.get("reason") for one in state["deliveries"])

    await ask_until(waits, "the key manager's refusal is known")


@contextmanager
def without_postgres(postgres: EmbeddedPostgres) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()  # the other tests need it too


async def restart_postgres(site: Site, call: Call) -> None:
    """Ask while Postgres is stopped, and once it is back."""
    world = site.world

    async def unavailable() -> Answer | None:
        answer = await world.submit(site.url + "/stock", b"PLANTED-request", **CALLERS)
        return answer if answer.status == 503 else None

    async def answered() -> Answer | None:
        answer = await world.ask(f"{site.url}/_jobs/{site.jobs[0]}")
        return answer if answer.status == 200 else None

    with without_postgres(site.postgres):
        site.read("without Postgres", await ask_until(unavailable, "the database is missed"))
        refused = await world.client.send("POST", call.callback_url, body=b"PLANTED-result")
        assert refused.status == 503
        site.read("callback without Postgres", refused)
    site.read("Postgres is back", await ask_until(answered, "the database is reached again"))
    assert await world.callbacks.post(call.callback_url, b"PLANTED-result") == 202


async def ask_as_operators_and_monitoring(site: Site) -> None:
    """Ask all that the listeners tell those who may ask, and one who may not."""
    admin, send = site.replica.ports.admin_url, site.world.client.send
    paths = ["/metrics", "/readyz", *(f"/api/v1/{name}" for name in ("jobs", "retries", "endpoints", "audit"))]
    for path in [*paths, *(f"/api/v1/jobs/{job}" for job in site.jobs)]:
        answer = await send("GET", admin + path, headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
        assert answer.status == 200, (path, answer)
        site.read(path, answer)
    site.read("refusal", await send("GET", admin + "/api/v1/jobs", headers={"authorization": "Bearer PLANTED-no"}))
    for job in site.jobs:
        site.read(f"state {job}", await site.world.ask(f"{site.url}/_jobs/{job}"))


async def run_commands(site: Site) -> None:
    """Run what operators run."""
    delivered, _, away, *_ = site.jobs
    for command in (
        *(("config", "check"), ("config", "check", "--online"), ("retries", "list"), ("retries", "list", "--json")),
        *(("jobs", "list"), ("jobs", "show", delivered), ("jobs", "show", away), ("retries", "show", away)),
        *(("jobs", "show", away, "--full"), ("retries", "show", away, "--full")),
        ("webhook", "check", site.hooks.url + "/refused/1?token=PLANTED"),
    ):
        status, printed = await run_command(*command, "--config", str(site.replica.config))
        assert status in {0, 1}, (command, printed)
        assert "Traceback" not in printed
        site.searched.read[" ".join(command)] = printed


async def misconfigure(site: Site) -> None:
    """Write secrets where none may stand, in wrong forms; the complaints must not repeat them."""
    settings = yaml.safe_load(site.replica.config.read_text())
    for number, (name, section) in enumerate(wrong_sections(settings)):
        file = site.directory / f"wrong-{number}.yaml"
        file.write_text(yaml.safe_dump({**settings, name: section}))
        status, printed = await run_command("config", "check", "--config", str(file))
        assert status == 2, f"{number}: {printed}"
        site.searched.read[f"complaint {number}"] = printed


@pytest.mark.parametrize("environ", [{}, BY_ENVIRONMENT], ids=["by files", "by the environment"])
async def test_settings_tell_no_secret_in_any_form(site: Site, environ: dict[str, str]) -> None:
    settings = load_settings(site.replica.config, environ=environ)
    again = pickle.loads(pickle.dumps(settings))
    assert again == settings
    for name, one in (("loaded", settings), ("pickled", again), ("copied", settings.model_copy(deep=True))):
        forms = (repr(one), str(one), pformat(one), one.model_dump(), one.model_dump(mode="json"), vars(one))
        site.searched.read[name] = " ".join(map(str, forms)) + one.model_dump_json()
    assert site.searched.found() == []
    given = settings.callbacks.token_secrets is not None
    assert given == bool(environ), "the secrets of the environment are there"
