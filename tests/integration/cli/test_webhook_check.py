"""``sidecar webhook check``: each thing that can be wrong with a webhook is told, with what helps."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli.webhook_probe import WebhookProbe
from sidecar.dev.ports import free_port
from sidecar.offload.check import Finding
from tests.acceptance.harness.guarded import GuardedWebhooks, bearer
from tests.acceptance.harness.key_manager import CLIENT, SECRET, KeyManager
from tests.acceptance.harness.replica import run_command
from tests.acceptance.harness.tls import Authority
from tests.unit.settings.builders import make_data, make_settings

OPEN = {"allow_networks": ["127.0.0.0/8"], "ports": ["1-65535"]}


class Site:
    """A webhook that wants a token, and a key manager that issues it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.key_manager = KeyManager(free_port(), self.authority.server())
        self.webhooks = GuardedWebhooks(free_port(), self.authority.server())
        self.webhooks.checks["/crm/"] = bearer(self.key_manager)
        self.hook = f"{self.webhooks.url}/crm/1.0/results"

    def section(self, *users: dict[str, Any], **over: Any) -> dict[str, Any]:
        return {**OPEN, "ca_file": str(self.authority.ca_file), "service_users": list(users or [self.user()]), **over}

    def user(self, **over: Any) -> dict[str, Any]:
        secret = self.directory / "client"
        secret.write_text(SECRET)
        return {
            "match": f"{self.webhooks.url}/crm/1.0/",
            "type": "oauth2_client_credentials",
            "token_url": self.key_manager.token_url,
            "ca_file": str(self.authority.ca_file),
            "client_id": CLIENT,
            "client_secret_file": str(secret),
            "scopes": ["device_{worker}"],
            **over,
        }

    async def check(
        self, *users: dict[str, Any], url: str | None = None, send: bool = False, fetch: bool = True, **over: Any
    ) -> dict[str, Finding]:
        """Check; the last finding of each topic."""
        settings = make_settings(webhook=self.section(*users, **over))
        findings = await WebhookProbe(settings, fetch=fetch, send=send).run(url or self.hook)
        assert "SECRET" not in str(findings)
        return {finding.topic: finding for finding in findings}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    opened = Site(tmp_path)
    await opened.key_manager.start()
    await opened.webhooks.start()
    yield opened
    await opened.webhooks.stop()
    await opened.key_manager.stop()


def failed(found: dict[str, Finding]) -> dict[str, str]:
    assert all(finding.remedy for finding in found.values() if finding.level == "fail")
    return {finding.topic: finding.text for finding in found.values() if finding.level == "fail"}


async def test_the_command_says_that_all_is_well_and_sends_nothing_unless_asked_to(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text(yaml.safe_dump(make_data(webhook=site.section())))
    code, printed = await run_command("webhook", "check", site.hook, "--config", str(config))
    assert (code, "FAIL" in printed) == (0, False), printed
    assert f"service user: oauth2_client_credentials, by the match {site.webhooks.url}/crm/1.0/" in printed
    assert "connection: made, TLSv1.3; its certificate is by trustme" in printed
    assert "token: issued" in printed
    assert site.webhooks.visits == []
    code, printed = await run_command("webhook", "check", site.hook, "--send", "--config", str(config))
    assert (code, "message: taken, answered 204" in printed) == (0, True), printed
    (visit,) = site.webhooks.visits
    assert (visit.message.headers["x-service"], visit.message.json["type"]) == ("webhook-check", "webhook_check")
    site.key_manager.refusal = (401, {"error": "invalid_client"})
    code, printed = await run_command("webhook", "check", site.hook, "--config", str(config))
    assert (code, "FAIL  token: no token" in printed, "invalid_client" in printed) == (1, True, True), printed
    code, printed = await run_command("webhook", "check", site.hook, "--no-token", "--config", str(config))
    assert code == 0, printed
    assert (await run_command("webhook", "check", site.hook, "--config", str(tmp_path / "none.yaml")))[0] == 2


@pytest.mark.parametrize("url", ["ftp://x/y", "https://user@x/y", "nonsense", "https://x/y#z"])
async def test_what_is_no_callback_url_is_told_first(site: Site, url: str) -> None:
    found = await site.check(url=url)
    assert (list(found), list(failed(found))) == (["callback-url"], ["callback-url"])


async def test_http_where_https_is_demanded_fails(site: Site) -> None:
    assert "requests with it get 403" in failed(await site.check(url="http://127.0.0.1:9/x"))["callback-url"]
    assert "requests with it get 400" in failed(await site.check(url="nonsense"))["callback-url"]


async def test_the_guards_reason_is_told_and_nothing_is_connected_to(site: Site) -> None:
    found = await site.check(allow_networks=[])
    assert failed(found)["egress"].startswith("may not be called: loopback")
    assert "connection" not in found
    found = await site.check(ports=["443"], send=True)
    assert failed(found)["egress"].startswith("may not be called: port")
    assert found["message"].level == "warn"
    assert site.webhooks.visits == []


async def test_a_name_without_an_address_is_told(site: Site) -> None:
    assert "has no address" in failed(await site.check(url="https://nobody.invalid:8243/x"))["DNS"]


async def test_nobody_listening_is_told(site: Site) -> None:
    assert (
        failed(await site.check(url=f"https://127.0.0.1:{free_port()}/x"))["connection"] == "none: Connection refused"
    )


@pytest.mark.parametrize(
    ("names", "expired", "why", "remedy"),
    [
        (("127.0.0.1",), True, "certificate has expired", "renew"),
        (("hooks.corp.example",), False, "IP address mismatch", "a name that the certificate is for"),
    ],
)
async def test_a_bad_certificate_is_told_with_what_helps(
    site: Site, *, names: tuple[str, ...], expired: bool, why: str, remedy: str
) -> None:
    other = GuardedWebhooks(free_port(), site.authority.server(*names, expired=expired))
    await other.start()
    try:
        found = await site.check(url=f"{other.url}/x", send=True)
    finally:
        await other.stop()
    assert why in failed(found)["connection"]
    assert remedy in found["connection"].remedy
    assert other.visits == []


async def test_an_unknown_authority_and_a_plain_port_are_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    found = await site.check(ca_file=str(other.ca_file))
    assert "unable to get local issuer certificate" in failed(found)["connection"]
    assert "webhook.ca_file" in found["connection"].remedy
    found = await site.check(ca_file=str(tmp_path / "none.pem"))
    assert "cannot be used as authorities" in failed(found)["connection"]


async def test_why_no_service_user_matches_is_told(site: Site) -> None:
    found = await site.check(url=f"{site.webhooks.url}/crm/2.0/results")
    assert found["service user"].text == (
        f"none matches, so that nothing is shown; at this host there is {site.webhooks.url}/crm/1.0/"
    )
    found = await site.check(url=f"{site.webhooks.url}/crm/1.0/%2e%2e/results")
    assert "outside every match" in found["service user"].remedy


@pytest.mark.parametrize(
    ("status", "body", "reason", "remedy"),
    [
        (401, b"", "unauthorized", "service user"),
        (403, b'{"code": "900908"}', "not_subscribed", "subscribe"),
        (403, b'{"code": "900910"}', "scope_missing", "scope"),
        (302, b"", "redirect", "never followed"),
        (503, b"", "status_503", ""),
    ],
)
async def test_what_a_test_message_is_answered_is_explained(
    site: Site, status: int, body: bytes, reason: str, remedy: str
) -> None:
    site.webhooks.checks["/crm/"] = lambda _: status
    site.webhooks.bodies[status] = body
    message = (await site.check({"type": "none", "match": site.hook}, send=True))["message"]
    assert (message.level, f": {reason};" in message.text, remedy in message.remedy) == ("fail", True, True)


async def test_tokens_that_live_short_and_scopes_without_the_worker_are_warned_of(site: Site) -> None:
    site.key_manager.lifetime = 5
    settings = make_settings(webhook=site.section(site.user(scopes=["crm"])))
    findings = await WebhookProbe(settings, fetch=True, send=False).run(site.hook)
    warned = [finding.text for finding in findings if finding.level == "warn"]
    assert len(warned) == 2
    assert warned[0].endswith("for 5 s only")
    assert "no scope names the worker" in warned[1]


async def test_a_client_certificate_is_looked_at(site: Site, tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    clients = Authority(tmp_path / "clients")
    cert_file, key_file = clients.client("sidecar-crm")
    mutual = GuardedWebhooks(free_port(), site.authority.server(clients_of=clients))
    await mutual.start()
    user = {"match": f"{mutual.url}/", "type": "mtls", "cert_file": str(cert_file), "key_file": str(key_file)}
    try:
        found = await site.check(user, url=f"{mutual.url}/x", send=True)
        assert failed(found) == {}
        assert "CN=sidecar-crm" in found["credentials"].text
        assert [visit.certificate for visit in mutual.visits] == ["sidecar-crm"]
        key_file.write_text("nothing")
        found = await site.check(user, url=f"{mutual.url}/x", send=True)
        assert "cannot be used as a client certificate" in failed(found)["connection"]
    finally:
        await mutual.stop()


async def test_a_secret_that_cannot_be_read_is_told(site: Site) -> None:
    user = {"match": site.hook, "type": "basic", "username": "u", "password_file": str(site.directory / "none")}
    assert "the secret file cannot be read" in failed(await site.check(user, send=True))["credentials"]


async def test_it_tells_how_messages_are_signed_and_signs_the_test_message(site: Site) -> None:
    files = site.directory / "signing", site.directory / "key"
    for file, kind in zip(files, ("webhook-secret", "webhook-key"), strict=True):
        code, printed = await run_command("secrets", "generate", kind, "--out", str(file))
        assert code == 0, printed
    signing = {"secrets_file": str(files[0]), "ed25519_key_file": str(files[1])}
    found = await site.check(signing=signing, send=True)
    assert (found["signature"].text, failed(found)) == ("messages are signed: v1, v1a", {})
    (visit,) = site.webhooks.visits
    assert [one.partition(",")[0] for one in visit.message.headers["webhook-signature"].split(" ")] == ["v1", "v1a"]
    assert (await site.check())["signature"].text == "messages are not signed"


async def test_a_signing_key_that_cannot_be_used_is_told_and_nothing_is_sent(site: Site) -> None:
    file = site.directory / "signing"
    file.write_text("between-us")
    found = await site.check(signing={"secrets_file": str(file)}, send=True)
    assert list(failed(found)) == ["signature"]
    assert "between-us" not in str(found)
    assert (found["message"].level, site.webhooks.visits) == ("warn", [])
