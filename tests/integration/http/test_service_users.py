"""Messages sent as service users over real TLS: to webhooks and key managers that behave, and that do not."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.deliver.decide import Delivered, PutOff, Rejected
from sidecar.model.errors import ConfigError
from sidecar.model.reasons import DeliveryReason, OwnReason
from tests.acceptance.harness.key_manager import CLIENT, USER, Asked
from tests.acceptance.harness.waiting import ask_until
from tests.integration.http.credentials_site import Site, open_site, outcome, post
from tests.unit.builders import make_delivery


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


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


async def test_a_webhook_that_answers_401_takes_the_token_from_no_other(site: Site) -> None:
    exchange, users = site.exchange({"type": "oauth2_client_credentials"})
    site.webhooks.checks = {"/crm/1.0/bad": lambda _: 401, **site.webhooks.checks}  # the first that fits counts
    refused = asyncio.create_task(post(exchange, f"{site.webhooks.url}/crm/1.0/bad"))
    await ask_until(lambda: visited(site, "/crm/1.0/bad"), "the webhook has refused the token")
    for _ in range(3):
        assert outcome(await post(exchange, f"{site.webhooks.url}/crm/1.0/x")) == Delivered(204)
    assert not users.blocked(f"{site.webhooks.url}/crm/1.0/x")
    assert (refused.done(), len(site.key_manager.issued)) == (False, 1)
    refused.cancel()
    await asyncio.gather(refused, return_exceptions=True)


async def visited(site: Site, path: str) -> bool:
    return any(visit.message.path == path for visit in site.webhooks.visits)


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
