"""Messages sent as service users over real TLS: to webhooks and key managers that behave, and that do not."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import TypeAdapter

from sidecar.deliver.content import Content
from sidecar.deliver.decide import Delivered, PutOff, Rejected, SilenceRule, Silent
from sidecar.deliver.ends import Attempt
from sidecar.deliver.exchange import Exchange
from sidecar.dev.ports import free_port
from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import EndpointRule
from sidecar.model.errors import ConfigError
from sidecar.model.outcome import MessageKind
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.outbound.egress import Guarded, make_egress
from sidecar.outbound.make_users import Surroundings, make_service_users
from sidecar.outbound.requests import Failure, send
from sidecar.outbound.service_users import ServiceUsers
from sidecar.outbound.sessions import webhook_session
from sidecar.outbound.signing import Signatures
from sidecar.settings.service_users import ServiceUser
from sidecar.telemetry.metrics import Metrics
from tests.acceptance.harness.guarded import GuardedWebhooks, bearer
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, Asked, KeyManager
from tests.acceptance.harness.tls import Authority
from tests.acceptance.harness.waiting import ask_until
from tests.unit.builders import Lines, make_delivery
from tests.unit.settings.builders import make_settings

CONTENT = Content(MessageKind.DIRECT, b"content-type: application/json", b"{}")


class Site:
    """A key manager, webhooks, and the way of messages to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.key_manager = KeyManager(free_port(), self.authority.server())
        self.webhooks = GuardedWebhooks(free_port(), self.authority.server())
        self.lines = Lines()
        self.metrics = Metrics()
        self.worker = 7
        self.spacing = 10.0
        self.egress = make_egress(
            make_settings(webhook__allow_networks=["127.0.0.0/8", "::1/128"], webhook__ports=["1-65535"])
        )
        self._open: list[Callable[[], Any]] = []

    def exchange(self, *users: dict[str, Any]) -> tuple[Exchange, ServiceUsers]:
        dialling = self.egress.ways(connect_timeout=60)
        opened = partial(
            webhook_session, connect_timeout=60, per_host=9, ca_file=self.authority.ca_file, dialling=dialling
        )
        around = Surroundings(
            open_session=lambda tls: opened(tls=tls),
            ca_file=self.authority.ca_file,
            worker=lambda: self.worker,
            log=self.lines.log,
            metrics=self.metrics,
            token_spacing=self.spacing,
        )
        parsed = [TypeAdapter(ServiceUser).validate_python(self.complete(user)) for user in users]
        made = make_service_users(parsed, around)
        session = opened()
        self._open += [made.close, session.close]
        exchange = Exchange(
            send=partial(send, session, method="POST", max_response=4096),
            guard=Guarded(self.egress, told=lambda *_: None),
            signatures=Signatures(None, endpoints=EndpointRule()),
            users=made,
            may_act=lambda _: True,
            silence=SilenceRule(),
            timeout=60,
            longest_wait=60,
            label_of=lambda _: "other",
            log=self.lines.log,
            metrics=self.metrics,
        )
        return exchange, made

    def complete(self, user: dict[str, Any]) -> dict[str, Any]:
        """Add what users of a kind have in common."""
        user = {"match": f"{self.webhooks.url}/crm/1.0/", **user}
        if user["type"].startswith("oauth2"):
            common = {"token_url": self.key_manager.token_url, "ca_file": str(self.authority.ca_file)}
            user = {"client_id": CLIENT, "client_secret_file": str(self.file("client", SECRET)), **common, **user}
        if user["type"] in {"oauth2_password", "basic"}:
            user = {"username": USER, "password_file": str(self.file("password", PASSWORD)), **user}
        return user

    def file(self, name: str, content: str) -> Path:
        path = self.directory / name
        path.write_text(content + "\n")
        return path

    async def close(self) -> None:
        for close in self._open:
            await close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    opened = Site(tmp_path)
    await opened.key_manager.start()
    await opened.webhooks.start()
    opened.webhooks.checks["/crm/1.0/"] = bearer(opened.key_manager)
    yield opened
    await opened.close()
    await opened.webhooks.stop()
    await opened.key_manager.stop()


async def post(exchange: Exchange, url: str) -> Attempt | PutOff:
    endpoint = EndpointRule().endpoint_of(parse_webhook_url(url))
    return await exchange.post(make_delivery(callback_url=url, endpoint=endpoint), CONTENT)


def outcome(attempt: Attempt | PutOff) -> object:
    return attempt.decision if isinstance(attempt, Attempt) else attempt


@pytest.mark.parametrize(("client_auth", "by"), [("basic", "basic"), ("body", "body")])
@pytest.mark.parametrize("kind", ["oauth2_client_credentials", "oauth2_password"])
async def test_a_message_shows_a_token_that_was_fetched_for_it(
    site: Site, kind: str, client_auth: str, by: str
) -> None:
    scopes = ["crm_results", "device_{worker}"]
    exchange, _ = site.exchange({"type": kind, "client_auth": client_auth, "scopes": scopes})
    for _ in range(3):
        assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/results")) == Delivered(204)
    user, grant = (USER, "password") if kind == "oauth2_password" else ("", "client_credentials")
    assert site.key_manager.asked == [Asked(CLIENT, user, ("crm_results", "device_7"), grant, by)]


async def test_only_urls_under_the_prefix_are_shown_the_token_and_the_longest_prefix_counts(site: Site) -> None:
    exchange, _ = site.exchange(
        {"type": "oauth2_client_credentials"},
        {"type": "basic", "match": f"{site.webhooks.url}/crm/1.0/legacy/"},
        {"type": "none", "match": f"{site.webhooks.url}/crm/1.0/open/"},
    )
    paths = ("/crm/1.0/x", "/crm/1.0/legacy/x", "/crm/1.0/open/x", "/crm/2.0/x", "/crm/1.0/%2e%2e/x", "/crm/1.0x/y")
    for path in paths:
        await post(exchange, site.webhooks.url + path)
    shown = [visit.message.headers.get("authorization", "").partition(" ")[0] for visit in site.webhooks.visits]
    assert shown == ["Bearer", "Basic", "", "", "", ""]


async def test_a_redirect_is_not_followed_with_credentials_nor_without(site: Site) -> None:
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    site.webhooks.checks["/crm/1.0/"] = lambda _: 307
    rejected = Rejected(307, DeliveryReason.REDIRECT)
    assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == rejected
    assert len(site.webhooks.visits) == 1


async def test_a_second_401_is_final_and_a_fresh_token_was_tried(site: Site) -> None:
    site.spacing = 0.05
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    site.webhooks.checks["/crm/1.0/"] = lambda _: 401
    rejected = Rejected(401, DeliveryReason.UNAUTHORIZED)
    assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == rejected
    shown = [visit.message.headers["authorization"] for visit in site.webhooks.visits]
    assert shown == ["Bearer TOKEN-SECRET-1", "Bearer TOKEN-SECRET-2"]
    assert len({visit.message.id for visit in site.webhooks.visits}) == 1


async def test_a_revoked_token_is_renewed_once_for_all_messages(site: Site) -> None:
    site.spacing = 0.05
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    url = f"{site.webhooks.url}/crm/1.0/x"
    await post(exchange, url)
    site.key_manager.revoke()
    attempts = await asyncio.gather(*(post(exchange, url) for _ in range(9)))
    assert [outcome(attempt) for attempt in attempts] == [Delivered(204)] * 9
    assert len(site.key_manager.issued) == 2


async def test_a_token_that_is_over_is_not_shown_any_more(site: Site) -> None:
    site.key_manager.lifetime = 3
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    url = f"{site.webhooks.url}/crm/1.0/x"
    await post(exchange, url)
    await ask_until(lambda: over(site), "the token is over")
    assert outcome(await post(exchange, url)) == Delivered(204)
    shown = [visit.message.headers["authorization"] for visit in site.webhooks.visits]
    assert (shown, len(site.key_manager.issued)) == (["Bearer TOKEN-SECRET-1", "Bearer TOKEN-SECRET-2"], 2)


async def over(site: Site) -> bool:
    return not site.key_manager.valid(site.key_manager.issued[0])


@pytest.mark.parametrize(
    ("code", "reason"), [("900908", DeliveryReason.NOT_SUBSCRIBED), ("900910", DeliveryReason.SCOPE_MISSING)]
)
async def test_wso2_says_what_the_service_user_lacks(site: Site, code: str, reason: DeliveryReason) -> None:
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    site.webhooks.checks["/crm/1.0/"] = lambda _: 403
    site.webhooks.bodies[403] = f'{{"code": "{code}", "message": "Access failure", "description": "x"}}'.encode()
    assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == Rejected(403, reason)
    assert len(site.webhooks.visits) == 1


async def test_a_key_manager_that_refuses_is_told_without_secrets(site: Site) -> None:
    exchange, users = site.exchange({"type": "oauth2_client_credentials"})
    site.key_manager.clients[CLIENT] = "another"  # which is told back in its refusal
    url = f"{site.webhooks.url}/crm/1.0/x"
    assert outcome(await post(exchange, url)) == PutOff(OwnReason.KEY_MANAGER_REFUSES, 1.0)
    assert users.blocked(make_delivery(endpoint=f"{site.webhooks.url}/crm/1.0").endpoint)
    (line,) = [line for line in site.lines.events() if line["event"] == "credentials.unavailable"]
    assert (line["reason"], line["why"]) == ("key_manager_refused", "it answered 401, invalid_client: no ***")
    assert site.webhooks.visits == []


async def test_secrets_are_read_again_when_they_were_rotated(site: Site) -> None:
    site.spacing = 0.05
    exchange, _ = site.exchange({"type": "oauth2_password"})
    url = f"{site.webhooks.url}/crm/1.0/x"
    await post(exchange, url)
    site.key_manager.clients[CLIENT], site.key_manager.users[USER] = "client-new", "user-new"
    site.file("client", "client-new")
    site.file("password", "user-new")
    site.key_manager.revoke()
    assert outcome(await post(exchange, url)) == Delivered(204)


async def test_a_secret_file_that_is_gone_is_our_fault_and_told(site: Site) -> None:
    exchange, _ = site.exchange({"type": "oauth2_client_credentials"})
    (site.directory / "client").unlink()
    put_off = await post(exchange, f"{site.webhooks.url}/crm/1.0/x")
    assert isinstance(put_off, PutOff)
    assert put_off.reason is OwnReason.UNREADABLE
    assert "the secret file cannot be read" in site.lines.events()[0]["why"]


async def test_a_hanging_key_manager_is_given_up_in_time(site: Site) -> None:
    exchange, _ = site.exchange({"type": "oauth2_client_credentials", "timeout": "2s"})
    site.key_manager.hanging = True
    put_off = await post(exchange, f"{site.webhooks.url}/crm/1.0/x")
    assert outcome(put_off) == PutOff(OwnReason.KEY_MANAGER_AWAY, 1.0)
    assert site.lines.events()[0]["why"] == "it did not answer in time"


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


async def test_basic_credentials_that_were_rotated_are_read_again_at_a_401(site: Site) -> None:
    exchange, _ = site.exchange({"type": "basic"})
    wanted = "Basic " + b64encode(f"{USER}:user-new".encode()).decode()
    site.webhooks.checks["/crm/1.0/"] = lambda message: 204 if message.headers["authorization"] == wanted else 401
    url = f"{site.webhooks.url}/crm/1.0/x"
    assert outcome(await post(exchange, url)) == Rejected(401, DeliveryReason.UNAUTHORIZED)
    assert len(site.webhooks.visits) == 1  # the file had no other password
    site.file("password", "user-new")
    assert outcome(await post(exchange, url)) == Delivered(204)
    assert len(site.webhooks.visits) == 3


async def test_a_static_header_is_sent_under_its_prefix_only(site: Site) -> None:
    exchange, _ = site.exchange(
        {"type": "header", "header": "X-Api-Key", "value_file": str(site.file("value", "k-SECRET"))}
    )
    site.webhooks.checks.clear()
    await post(exchange, f"{site.webhooks.url}/crm/1.0/x")
    await post(exchange, f"{site.webhooks.url}/other")
    assert [visit.message.headers.get("x-api-key") for visit in site.webhooks.visits] == ["k-SECRET", None]
    assert "SECRET" not in str(site.lines.events())


@pytest.mark.parametrize("value", ["one\ntwo", "\u00e4", " padded"])
async def test_a_value_that_no_header_may_hold_keeps_the_sidecar_from_starting(site: Site, value: str) -> None:
    with pytest.raises(ConfigError, match="the value of x-api-key holds what no header may hold"):
        site.exchange({"type": "header", "header": "x-api-key", "value_file": str(site.file("value", value))})


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


async def test_a_missing_secret_file_keeps_the_sidecar_from_starting(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"webhook.service_users\[0\]: .*the secret file cannot be read"):
        site.exchange({"type": "basic", "password_file": str(site.directory / "nowhere")})


async def test_tokens_are_fetched_through_a_proxy(site: Site) -> None:
    tunnels: list[str] = []
    pipes: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        tunnels.append(head)
        host, _, port = head.split()[1].rpartition(":")
        there, thither = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for work in (pipe(reader, thither), pipe(there, writer)):
            pipes.add(asyncio.get_running_loop().create_task(work))

    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    try:
        port = proxy.sockets[0].getsockname()[1]
        exchange, _ = site.exchange({"type": "oauth2_client_credentials", "proxy": f"http://127.0.0.1:{port}"})
        assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == Delivered(204)
        (head,) = tunnels
        assert head.startswith(f"CONNECT {site.key_manager.token_url.split('/')[2]} ")
        assert "authorization" not in head.lower()  # the proxy learns no secret
    finally:
        proxy.close()
        await site.close()
        for task in pipes:
            task.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


async def test_a_token_server_that_redirects_gets_no_second_request(site: Site) -> None:
    async def elsewhere(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": site.key_manager.token_url})

    runner = web.ServerRunner(web.Server(elsewhere, access_log=None))
    await runner.setup()
    tls: ssl.SSLContext = site.authority.server()
    server = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await server.start()
    try:
        exchange, _ = site.exchange(
            {"type": "oauth2_client_credentials", "token_url": f"https://127.0.0.1:{server.port}/token"}
        )
        assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == PutOff(
            OwnReason.KEY_MANAGER_AWAY, 1.0
        )
        assert site.key_manager.asked == []
    finally:
        await runner.cleanup()
