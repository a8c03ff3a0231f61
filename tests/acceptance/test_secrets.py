"""One full run with secrets planted everywhere; then everything that anybody can read is searched for them."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from sidecar.dev.object_store import EmbeddedStore
from sidecar.dev.ports import free_port
from sidecar.settings.load import load_settings
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.guarded import GuardedWebhooks, bearer
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, KeyManager
from tests.acceptance.harness.replica import Replica, ending, run_command
from tests.acceptance.harness.retrying import BUCKET, retrying
from tests.acceptance.harness.site import GATEWAY_KEY, KEY_HEADER, route, service
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World

MARK: Final = "PLANTED"
SIGNING: Final = b64encode(b"PLANTED-signing-secret-32-bytes!").decode()
SEALING: Final = "s" * 42 + "8="
CALLERS: Final = {
    "authorization": "Bearer PLANTED-end-user",
    "x_jwt_assertion": "PLANTED-assertion",
    "cookie": "session=PLANTED-cookie",
    "apikey": "PLANTED-api-key",
}
BY_DESIGN: Final = {
    # Where results go, with its query: the message is sent there, also after a crash and by a redrive.
    ("job", "callback_url"),
    ("oas_webhook_retry", "callback_url"),
    # Requests until every service has them, and results until retention.bodies: what the ledger is there to keep.
    ("payload", "body"),
}
TABLES: Final = (
    "SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
)
DEAD: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(directory / "store-of-secrets", bucket=BUCKET) as server:
        yield server


@dataclass(slots=True)
class Searched:
    """What was read, by where it stood, and the secrets that must not be there."""

    secrets: list[str]
    read: dict[str, str] = field(default_factory=dict)

    def found(self) -> list[str]:
        return [f"{where}: {secret}" for where, text in self.read.items() for secret in self.secrets if secret in text]


def written(directory: Path, name: str, text: str) -> str:
    file = directory / f"planted-{name}"
    file.write_text(text + "\n")
    return str(file)


async def in_database(dsn: str, secrets: list[str]) -> set[tuple[str, str]]:
    """Tell in which columns of which tables a secret stands."""
    columns = set()
    for table in await query(dsn, TABLES):
        for row in await query(dsn, f'SELECT * FROM "{table["name"]}"'):
            for column, value in row.items():
                raw = value if isinstance(value, bytes) else str(value).encode()
                if any(secret.encode() in raw for secret in secrets):
                    columns.add((table["name"], column))
    return columns


async def test_no_secret_and_no_query_of_a_url_is_told_to_anybody(  # noqa: PLR0917 - one run, from end to end
    world: World, places: Places, make_replica: MakeReplica, database: str, tmp_path: Path, store: EmbeddedStore
) -> None:
    authority = Authority(tmp_path)
    key_manager = KeyManager(free_port(), authority.server())
    hooks = GuardedWebhooks(free_port(), authority.server())
    hooks.checks = {"/crm/": bearer(key_manager), "/gone/": lambda _: 410, "/away/": lambda _: 503}
    hooks.bodies = {410: b"PLANTED-refusal", 503: b"PLANTED-refusal", 401: b"PLANTED-refusal"}
    user = {
        "type": "oauth2_password",
        "token_url": key_manager.token_url,
        "ca_file": str(authority.ca_file),
        "client_id": CLIENT,
        "client_secret_file": written(tmp_path, "client", SECRET),
        "username": USER,
        "password_file": written(tmp_path, "password", PASSWORD),
    }
    basic = {"type": "basic", "username": "u", "password_file": written(tmp_path, "basic", "PLANTED-basic-password")}
    over: dict[str, Any] = {
        **retrying(tmp_path, store, base="5s", scan_interval="20ms"),
        "gateway": {"identity": {"type": "shared_secret", "header": KEY_HEADER, "secret": GATEWAY_KEY}},
        "callbacks": {"token_secrets": ["PLANTED-token-secret-that-is-long-enough"]},
        "sealing": {"keys_file": written(tmp_path, "sealing", "seal_" + SEALING)},
        "admin": {
            "tokens": [
                {
                    "name": "oncall",
                    "role": "operator",
                    "token_file": written(tmp_path, "oncall", "PLANTED-admin-token-0123"),
                }
            ]
        },
        "webhook": {
            "ca_file": str(authority.ca_file),
            "signing": {"secrets_file": written(tmp_path, "signing", "whsec_" + SIGNING)},
            "service_users": [
                {"match": f"{hooks.url}/crm/", **user},
                {"match": f"{hooks.url}/refused/", **user, "scopes": ["other"]},
                {"match": f"{hooks.url}/away/", **basic},
            ],
        },
    }
    at = places.services_url
    routes = [
        route("/stock", service("stock", at, completion="response")),
        route("/one", service("billing", at)),
        route("/refusing", service("risk", at, retry="none")),
    ]
    world.services.behaviours["stock"] = world.services.responds(lambda call: b"PLANTED-result" + call.body)
    world.services.behaviours["billing"] = world.services.answers(202)
    world.services.behaviours["risk"] = world.services.answers(409, b"PLANTED-service-error")
    replica = make_replica(routes, over=over)
    await key_manager.start()
    await hooks.start()
    try:
        with ending(replica):
            await replica.start()
            password = urlsplit(database).password
            assert password
            searched = Searched(
                [
                    MARK,
                    SECRET,
                    PASSWORD,
                    password,
                    GATEWAY_KEY,
                    SIGNING,
                    SEALING,
                    store.secret_key,
                    store.access_key,
                    "TOKEN-SECRET",
                ]
                + [b64encode(pair).decode() for pair in (f"{CLIENT}:{SECRET}".encode(), b"u:PLANTED-basic-password")]
            )
            jobs = await _run(
                searched, world=world, replica=replica, hooks=hooks, key_manager=key_manager, dsn=database
            )
            await _ask(searched, world=world, replica=replica, jobs=jobs, hooks=hooks)
            assert await in_database(database, searched.secrets) == BY_DESIGN
            assert await replica.stop() == 0
            searched.read["log"] = replica.log.read_text()
            assert all(job in searched.read["log"] for job in jobs)
            await _misconfigured(searched, replica, tmp_path)
    finally:
        await hooks.stop()
        await key_manager.stop()
    assert searched.found() == []


async def _run(
    searched: Searched, *, world: World, replica: Replica, hooks: GuardedWebhooks, key_manager: KeyManager, dsn: str
) -> list[str]:
    """Let jobs end well and badly; their ids."""
    url = replica.ports.gateway_url
    question = "?token=PLANTED-callback-query"
    jobs = []
    for number, (path, hook) in enumerate(
        (("/stock", "/crm/1"), ("/stock", "/gone/1"), ("/stock", "/away/1"), ("/one", "/crm/1"), ("/stock", "/crm/1"))
    ):
        body = b"PLANTED-request" * (50_000 if number == 4 else 1)
        answer = await world.submit(url + path, body, hook=hooks.url + hook + question, **CALLERS)
        assert answer.status == 202, answer
        searched.read[f"answer {number}"] = f"{answer.headers}{answer.body!r}"
        jobs.append(answer.headers["x-job-id"])
    for job in (jobs[0], jobs[4]):
        await wait_until(lambda job=job: hooks.taken(job), "a message")  # type: ignore[misc]
    for job in jobs[1:3]:
        await wait_until(lambda job=job: hooks.of(job), "an attempt")  # type: ignore[misc]
    (call,) = await wait_until(lambda: world.services.called("billing"), "the service is called")
    *start, token = call.callback_url.split("/")
    searched.secrets.append(token)
    wrong = "/".join([*start, token[:-2] + "zz"])
    sender = world.client.send
    searched.secrets.append(token[:-2])
    answers = [
        await sender("POST", wrong, body=b"PLANTED-result"),
        await sender("POST", call.callback_url, body=b"PLANTED-result", headers={"x-result-status": "PLANTED"}),
        await sender("POST", url + "/stock", headers={KEY_HEADER: "PLANTED-wrong", "callback-url": world.hook}),
        await world.submit(url + "/stock", hook="https://10.0.0.1/x" + question),
        await world.submit(url + "/stock", hook="ftp://u:PLANTED@10.0.0.1/x" + question),
        await world.submit(url + "/stock", upload_url="https://10.0.0.1/x?X-Amz-Signature=PLANTED"),
        await world.submit(url + "/stock", idempotency_key='"PLANTED'),
        await world.submit(url + "/refusing", b"PLANTED-request", **CALLERS),
        await world.submit(url + "/PLANTED"),
    ]
    assert [answer.status for answer in answers] == [404, 400, 401, 403, 400, 403, 400, 502, 404], answers
    key_manager.clients.clear()  # from here on it refuses, and says the secret that it was shown
    refused = await world.submit(url + "/stock", b"PLANTED-request", hook=hooks.url + "/refused/1" + question)
    jobs.append(refused.headers["x-job-id"])

    async def waits() -> Any:
        state = (await world.ask(f"{url}/_jobs/{jobs[-1]}")).json
        return any(one.get("reason") for one in state["deliveries"])

    await ask_until(waits, "the key manager's refusal is known")
    await query(dsn, DEAD)
    answers.append(await ask_until(lambda: _answered(world, url, jobs[0]), "the database is reached again"))
    assert await world.callbacks.post(call.callback_url, b"PLANTED-result") == 202
    searched.read |= {f"problem {number}": f"{one.headers}{one.body!r}" for number, one in enumerate(answers)}
    return jobs


async def _answered(world: World, url: str, job: str) -> Any:
    answer = await world.ask(f"{url}/_jobs/{job}")
    return answer if answer.status == 200 else None


async def _ask(searched: Searched, *, world: World, replica: Replica, jobs: list[str], hooks: GuardedWebhooks) -> None:
    """Ask all that callers, operators and monitoring may ask."""
    admin, config = replica.ports.admin_url, ("--config", str(replica.config))
    shown = {"authorization": "Bearer PLANTED-admin-token-0123"}
    for path in (
        *("/metrics", "/readyz", "/api/v1/jobs", "/api/v1/retries", "/api/v1/endpoints", "/api/v1/audit"),
        *(f"/api/v1/jobs/{job}" for job in jobs),
    ):
        answer = await world.client.send("GET", admin + path, headers=shown)
        assert answer.status == 200, (path, answer)
        searched.read[path] = f"{answer.headers}{answer.body.decode()}"
    refused = await world.client.send("GET", admin + "/api/v1/jobs", headers={"authorization": "Bearer PLANTED-no"})
    searched.read["admin refusal"] = f"{refused.status}{refused.headers}{refused.body!r}"
    for job in jobs:
        searched.read[f"state {job}"] = str((await world.ask(f"{replica.ports.gateway_url}/_jobs/{job}")).body)
    for command in (
        *(("config", "check"), ("config", "check", "--online"), ("retries", "list"), ("retries", "list", "--json")),
        *(("jobs", "list"), ("jobs", "show", jobs[0]), ("jobs", "show", jobs[2]), ("retries", "show", jobs[2])),
        *(("jobs", "show", jobs[2], "--full"), ("retries", "show", jobs[2], "--full")),
        ("webhook", "check", hooks.url + "/refused/1?token=PLANTED"),
    ):
        status, printed = await run_command(*command, *config)
        assert status in {0, 1}, (command, printed)
        assert "Traceback" not in printed
        searched.read[" ".join(command)] = printed
    settings = load_settings(replica.config, environ={})
    searched.read["repr"] = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


async def _misconfigured(searched: Searched, replica: Replica, directory: Path) -> None:
    """Write secrets where none may stand, in wrong forms; the complaints must not repeat them."""
    settings = yaml.safe_load(replica.config.read_text())
    wrong: list[tuple[str, Any]] = [
        ("database", {**settings["database"], "password": ["PLANTED"]}),
        ("database", {**settings["database"], "dsn": "postgresql://u:PLANTED@:x/"}),
        ("database", {**settings["database"], "dsn": {"PLANTED": 1}}),
        ("callbacks", {**settings["callbacks"], "token_secrets": [["PLANTED"]]}),
        ("admin", {**settings["admin"], "tokens": [{"name": "a", "role": "b", "token": "PLANTED"}]}),
        ("webhook", {**settings["webhook"], "proxy": "http://u:PLANTED@proxy:x"}),
        ("webhook", {**settings["webhook"], "signing": {"secrets": [["whsec_PLANTED"]]}}),
    ]
    for number, (name, section) in enumerate(wrong):
        file = directory / f"wrong-{number}.yaml"
        file.write_text(yaml.safe_dump({**settings, name: section}))
        status, printed = await run_command("config", "check", "--config", str(file))
        assert status == 2, f"{number}: {printed}"
        searched.read[f"complaint {number}"] = printed
