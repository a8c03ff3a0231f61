"""Certificates of webhooks and key managers, and those that the sidecar shows to webhooks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.deliver.decide import Delivered, PutOff, Silent
from sidecar.deliver.ends import Attempt
from sidecar.dev.ports import free_port
from sidecar.model.errors import ConfigError
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.outbound.requests import Failure
from tests.acceptance.harness.guarded import GuardedWebhooks
from tests.acceptance.harness.key_manager import KeyManager
from tests.acceptance.harness.tls import Authority
from tests.integration.http.credentials_site import Site, open_site, outcome, post


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("names", "expired", "why"),
    [
        (("127.0.0.1",), True, "certificate has expired"),
        (("km.corp.example",), False, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
async def test_a_key_manager_with_a_bad_certificate_gets_no_secrets(
    site: Site, *, names: tuple[str, ...], expired: bool, why: str
) -> None:
    other = KeyManager(free_port(), site.authority.server(*names, expired=expired))
    await other.start()
    try:
        exchange, _ = site.exchange({"type": "oauth2_client_credentials", "token_url": other.token_url})
        assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == PutOff(
            OwnReason.KEY_MANAGER_AWAY, 1.0
        )
        assert site.lines.events()[0]["why"] == f"its certificate or TLS is not accepted: {why}"
        assert other.asked == []
    finally:
        await other.stop()


@pytest.mark.parametrize(
    ("names", "expired", "why"),
    [
        (("127.0.0.1",), True, "certificate has expired"),
        (("hooks.corp.example",), False, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
async def test_a_webhook_with_a_bad_certificate_gets_no_credentials_and_the_log_says_why(
    site: Site, *, names: tuple[str, ...], expired: bool, why: str
) -> None:
    other = GuardedWebhooks(free_port(), site.authority.server(*names, expired=expired))
    await other.start()
    try:
        exchange, _ = site.exchange({"type": "basic", "match": f"{other.url}/"})
        attempt = await post(exchange, f"{other.url}/crm/1.0/x")
        assert isinstance(attempt, Attempt)
        assert isinstance(attempt.answer, Failure)
        assert (attempt.decision, attempt.answer.detail) == (Silent(None, DeliveryReason.TLS), why)
        assert [line["detail"] for line in site.lines.events()] == [why]
        assert other.visits == []
    finally:
        await other.stop()


async def test_a_key_manager_of_an_unknown_authority_gets_no_secrets(site: Site) -> None:
    site.directory.joinpath("other").mkdir()
    other = Authority(site.directory / "other")
    exchange, _ = site.exchange({"type": "oauth2_client_credentials", "ca_file": str(other.ca_file)})
    put_off = await post(exchange, f"{site.webhooks.url}/crm/1.0/x")
    assert outcome(put_off) == PutOff(OwnReason.KEY_MANAGER_AWAY, 1.0)
    assert "unable to get local issuer certificate" in site.lines.events()[0]["why"]
    assert site.key_manager.asked == []


class Mutual:
    """A webhook that lets in only those whose certificate an authority of its own has signed."""

    def __init__(self, site: Site) -> None:
        (site.directory / "clients").mkdir()
        self.clients = Authority(site.directory / "clients")
        self.webhooks = GuardedWebhooks(free_port(), site.authority.server(clients_of=self.clients))
        self.cert_file, self.key_file = self.clients.client("sidecar-1")

    def user(self, **over: Any) -> dict[str, Any]:
        files = {"cert_file": str(self.cert_file), "key_file": str(self.key_file)}
        return {"type": "mtls", "match": f"{self.webhooks.url}/crm/", **files, **over}


@pytest.fixture
async def mutual(site: Site) -> AsyncIterator[Mutual]:
    made = Mutual(site)
    await made.webhooks.start()
    yield made
    await made.webhooks.stop()


async def test_a_client_certificate_is_shown_on_connections_of_its_own(site: Site, mutual: Mutual) -> None:
    other = mutual.clients.client("sidecar-2")
    second = {"match": f"{mutual.webhooks.url}/hr/", "cert_file": str(other[0]), "key_file": str(other[1])}
    exchange, _ = site.exchange(mutual.user(), mutual.user(**second))
    for path in ("/crm/x", "/hr/x", "/crm/y", "/hr/y"):
        assert outcome(await post(exchange, mutual.webhooks.url + path)) == Delivered(204)
    assert [visit.certificate for visit in mutual.webhooks.visits] == ["sidecar-1", "sidecar-2"] * 2


async def test_without_its_certificate_nobody_is_let_in(site: Site, mutual: Mutual) -> None:
    exchange, _ = site.exchange(mutual.user())
    attempt = await post(exchange, f"{mutual.webhooks.url}/elsewhere")
    assert isinstance(attempt, Attempt)
    assert isinstance(attempt.decision, Silent)
    # With TLS 1.3 the server refuses after the handshake; whether its alert is read before its reset is chance.
    assert attempt.decision.reason in {DeliveryReason.TLS, DeliveryReason.RESET}
    assert mutual.webhooks.visits == []


async def test_a_certificate_is_loaded_again_when_its_files_change(
    site: Site, mutual: Mutual, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.outbound.certificates.LOOK_AGAIN", 0.0)
    exchange, _ = site.exchange(mutual.user())
    url = f"{mutual.webhooks.url}/crm/x"
    await post(exchange, url)
    new_cert, new_key = mutual.clients.client("sidecar-new")
    mutual.cert_file.write_bytes(new_cert.read_bytes())  # half of it: it does not fit the key yet
    assert outcome(await post(exchange, url)) == Delivered(204)
    assert "cannot be used as a client certificate" in str(site.lines.events())
    mutual.key_file.write_bytes(new_key.read_bytes())
    assert outcome(await post(exchange, url)) == Delivered(204)
    assert [visit.certificate for visit in mutual.webhooks.visits] == ["sidecar-1", "sidecar-1", "sidecar-new"]


@pytest.mark.parametrize("content", ["", "no certificate"])
async def test_a_certificate_that_cannot_be_used_keeps_the_sidecar_from_starting(
    site: Site, mutual: Mutual, content: str
) -> None:
    mutual.cert_file.write_text(content)
    with pytest.raises(ConfigError, match=r"webhook.service_users\[0\]: .*cannot be used as a client certificate"):
        site.exchange(mutual.user())
