"""Service users through real processes: a key manager and webhooks over TLS, and replicas that share or die."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from sidecar.dev.ports import free_port
from tests.acceptance.conftest import MakeReplica
from tests.acceptance.harness.audit import query
from tests.acceptance.harness.guarded import GuardedWebhooks, Visit, bearer
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, KeyManager
from tests.acceptance.harness.replica import Replica, ending
from tests.acceptance.harness.site import route, service
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import World

BODY = b'{"total": 1}'
END_USER: dict[str, Any] = {"authorization": "Bearer END-USER-SECRET", "x_jwt_assertion": "JWT-SECRET"}


@dataclass(frozen=True, slots=True)
class Site:
    """What is around the replicas."""

    world: World
    directory: Path
    authority: Authority
    key_manager: KeyManager
    webhooks: GuardedWebhooks
    make_replica: MakeReplica
    database: str

    @property
    def hook(self) -> str:
        return f"{self.webhooks.url}/crm/1.0/results"

    def replica(self, *users: dict[str, Any], dead_after: str = "15s") -> Replica:
        routes = [route("/stock", service("stock", self.world.services.url, completion="response"))]
        webhook = {"ca_file": str(self.authority.ca_file), "service_users": list(users or [self.user()])}
        return self.make_replica(
            routes, over={"webhook": webhook, "worker": {"dead_after": dead_after, "drain_timeout": "1s"}}
        )

    def user(self, **over: Any) -> dict[str, Any]:
        secrets = {"client": SECRET, "password": PASSWORD}
        for name, secret in secrets.items():
            (self.directory / name).write_text(secret)
        return {
            "match": f"{self.webhooks.url}/crm/1.0/",
            "type": "oauth2_password",
            "token_url": self.key_manager.token_url,
            "ca_file": str(self.authority.ca_file),
            "client_id": CLIENT,
            "client_secret_file": str(self.directory / "client"),
            "username": USER,
            "password_file": str(self.directory / "password"),
            "scopes": ["crm_results", "device_{worker}"],
            **over,
        }

    async def accepted(self, replica: Replica, hook: str | None = None) -> str:
        url = f"{replica.ports.gateway_url}/stock"
        answer = await self.world.submit(url, hook=hook or self.hook, **END_USER)
        assert answer.status == 202, answer
        return answer.headers["x-job-id"]

    async def delivered(self, job_id: str) -> Visit:
        (visit,) = await wait_until(lambda: self.webhooks.taken(job_id), f"the message of {job_id}")
        return visit

    async def delivery(self, replica: Replica, job_id: str) -> Any:
        """What the owner may know of the one delivery of a job."""
        answer = await self.world.ask(f"{replica.ports.gateway_url}/_jobs/{job_id}")
        (delivery,) = answer.json["deliveries"]
        return delivery


@pytest.fixture
async def site(world: World, tmp_path: Path, make_replica: MakeReplica, database: str) -> AsyncIterator[Site]:
    authority = Authority(tmp_path)
    key_manager = KeyManager(free_port(), authority.server())
    webhooks = GuardedWebhooks(free_port(), authority.server())
    webhooks.checks["/crm/1.0/"] = bearer(key_manager)
    world.services.behaviours["stock"] = world.services.responds(lambda _: BODY)
    await key_manager.start()
    await webhooks.start()
    yield Site(world, tmp_path, authority, key_manager, webhooks, make_replica, database)
    await webhooks.stop()
    await key_manager.stop()


async def test_two_replicas_have_a_token_each_and_tell_nobody_their_secrets_nor_the_end_users(site: Site) -> None:
    one, two = site.replica(), site.replica()
    with ending(one, two):
        await one.start()
        await two.start()
        jobs = [await site.accepted(replica) for replica in (one, two) * 4]
        visits = [await site.delivered(job) for job in jobs]
        assert [len(site.webhooks.of(job)) for job in jobs] == [1] * 8  # no token was revoked by the other's
        scopes = {asked.scopes for asked in site.key_manager.asked}
        assert len(scopes) == len(site.key_manager.asked) == 2
        assert {scope[0] for scope in scopes} == {"crm_results"}
        sent = [value for visit in visits for value in visit.message.headers.values()]
        assert not any("END-USER" in value or "JWT" in value for value in sent)
        assert all(call.headers["authorization"] == END_USER["authorization"] for call in site.world.services.calls)
        for replica in (one, two):
            assert await replica.stop() == 0
            assert "SECRET" not in replica.log.read_text()


async def test_replicas_that_revoke_each_others_token_lose_no_message(site: Site) -> None:
    one, two = (site.replica(site.user(scopes=["crm_results"])) for _ in range(2))
    with ending(one, two):
        await one.start()
        await two.start()
        for replica in (one, two, one):  # the third finds its token revoked by the second's
            job = await site.accepted(replica)
            await site.delivered(job)
        assert [visit.status for visit in site.webhooks.of(job)] == [401, 204]
        assert {visit.message.headers["x-attempt"] for visit in site.webhooks.of(job)} == {"1"}
        assert len(site.key_manager.asked) == 3


async def test_a_first_message_waits_for_the_key_manager_untried_and_survives_a_crash(site: Site) -> None:
    one, two = (site.replica(dead_after="2s") for _ in range(2))
    await site.key_manager.stop()
    with ending(one, two):
        await one.start()
        job = await site.accepted(one)
        open_one = await site.accepted(one, hook=f"{site.webhooks.url}/open/1.0/results")
        await site.delivered(open_one)  # nobody else waits

        async def waiting() -> Any:
            found = await site.delivery(one, job)
            return found if found.get("reason") else None

        found = await ask_until(waiting, "the delivery says why it waits")
        assert (found["state"], found["attempts"], found["reason"]) == ("open", 0, "key_manager_unavailable")
        one.kill()
        await site.key_manager.start()
        await two.start()
        visit = await site.delivered(job)
        assert visit.message.headers["x-attempt"] == "1"
        assert site.webhooks.of(job) == [visit]
        (row,) = await query(site.database, "SELECT count(*) AS circuits FROM endpoint")
        assert row["circuits"] == 0


async def test_a_hanging_key_manager_holds_up_nobody_else_and_no_orderly_end(site: Site) -> None:
    replica = site.replica()
    site.key_manager.hanging = True
    with ending(replica):
        await replica.start()
        waiting = [await site.accepted(replica) for _ in range(30)]
        await wait_until(lambda: site.key_manager.held == 1, "the key manager is asked, once")
        others = [await site.accepted(replica, hook=f"{site.webhooks.url}/open/{n}/results") for n in range(10)]
        for job in others:
            await site.delivered(job)
        assert await replica.stop() == 0
        assert not any(site.webhooks.of(job) for job in waiting)
        (row,) = await query(
            site.database,
            "SELECT count(*) AS waiting FROM delivery WHERE state = 'open' AND worker IS NULL AND attempts = 0",
        )
        assert row["waiting"] == len(waiting)


async def test_a_webhook_that_knows_the_service_user_by_its_certificate_gets_its_message(site: Site) -> None:
    (site.directory / "clients").mkdir()
    clients = Authority(site.directory / "clients")
    cert_file, key_file = clients.client("sidecar-crm")
    mutual = GuardedWebhooks(free_port(), site.authority.server(clients_of=clients))
    await mutual.start()
    user = {"match": f"{mutual.url}/", "type": "mtls", "cert_file": str(cert_file), "key_file": str(key_file)}
    replica = site.replica(user)
    try:
        with ending(replica):
            await replica.start()
            job = await site.accepted(replica, hook=f"{mutual.url}/crm/1.0/results")
            (visit,) = await wait_until(lambda: mutual.taken(job), f"the message of {job}")
            assert (visit.certificate, orjson.loads(visit.message.body)) == ("sidecar-crm", {"total": 1})
    finally:
        await mutual.stop()


async def test_a_secret_that_cannot_be_read_keeps_the_sidecar_from_starting(site: Site) -> None:
    replica = site.replica(site.user(password_file=str(site.directory / "nowhere")))
    with ending(replica):
        replica.spawn()
        assert await replica.until_ended() == 78
        assert "webhook.service_users[0]: " in replica.log.read_text()
