"""The real program with TLS on all three listeners, and a gateway that is known by its certificate or by its JWT."""

import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientError, ClientSession, TCPConnector, web

from tests.acceptance.harness.http import Answer
from tests.acceptance.harness.replica import Replica, ending, run_command
from tests.acceptance.harness.site import Ports, make_settings, route, service
from tests.acceptance.harness.waiting import ask_until, wait_until
from tests.acceptance.harness.world import Places, World, named
from tests.tls_files import Files, client
from tests.unit.tokens import DIALECT, ISSUER, claims, jwk, jwks, plain64, rsa_key, token


class Keys:
    """The gateway's server of keys, over TLS."""

    def __init__(self) -> None:
        self.document = jwks(jwk(rsa_key()))
        self.away = False
        self.url = ""

    async def answer(self, _: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503) if self.away else web.Response(body=self.document)


class Site:
    """A folder with the certificates of a site, and the processes that use them."""

    def __init__(self, folder: Path, dsn: str, places: Places) -> None:
        self.authority = trustme.CA()
        self.files = Files(folder)
        self.files.issue(self.authority, "localhost", "127.0.0.1")
        self.files.believe(self.authority)
        self.folder, self.dsn, self.places = folder, dsn, places
        self.ports = Ports.free()

    @contextmanager
    def replica(self, identity: dict[str, Any], **over: Any) -> Iterator[Replica]:
        tls = {"cert_file": str(self.files.cert), "key_file": str(self.files.key)}
        asks = {"client_ca_file": str(self.files.clients), "client_certificates": "required"}
        callbacks = f"https://127.0.0.1:{self.ports.callbacks}"
        settings = make_settings(
            self.dsn, self.ports, [route("/one", service("billing", self.places.services_url))], callbacks_url=callbacks
        )
        settings["gateway"] |= {"identity": identity, "tls": tls | (asks if identity["type"] == "mtls" else {}), **over}
        settings["callbacks"]["tls"] = settings["admin"]["tls"] = tls
        replica = Replica(self.folder, self.ports, settings, trust=client(self.authority))
        with ending(replica):
            yield replica

    async def send(
        self,
        port: int,
        path: str,
        *,
        tls: ssl.SSLContext | None = None,
        method: str = "POST",
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send over TLS; in header names an underscore stands for a dash."""
        sent = named(headers or {})
        connector = TCPConnector(ssl=tls or client(self.authority))
        async with (
            ClientSession(connector=connector) as session,
            session.request(method, f"https://127.0.0.1:{port}{path}", data=body or None, headers=sent) as got,
        ):
            return Answer(got.status, got.headers, await got.read())


@pytest.fixture
def site(tmp_path: Path, database: str, places: Places) -> Site:
    return Site(tmp_path, database, places)


@pytest.fixture
async def keys(site: Site) -> AsyncIterator[Keys]:
    made = Keys()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(site.files.cert, site.files.key)
    runner = web.ServerRunner(web.Server(made.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield made
    await runner.cleanup()


async def test_a_gateway_with_its_certificate_is_served_over_tls_from_request_to_result(
    site: Site, world: World
) -> None:
    world.services.behaviours["billing"] = world.services.answers(202)
    gateway = client(site.authority, shows=site.authority.issue_cert("gw.corp.example"))
    other = client(site.authority, shows=site.authority.issue_cert("hr.corp.example"))
    with site.replica({"type": "mtls", "names": ["gw.corp.example"]}) as replica:
        await replica.start()  # asks /readyz over TLS
        ask = {"callback_url": world.hook, "x_api_application": "shop"}
        answer = await site.send(site.ports.gateway, "/one", tls=gateway, headers=ask)
        assert answer.status == 202, answer
        job_id = answer.headers["x-job-id"]
        refused = await site.send(site.ports.gateway, "/one", tls=other, headers=ask)
        assert (refused.status, refused.problem["code"]) == (401, "unauthorized")
        with pytest.raises((ClientError, ConnectionError)):
            await site.send(site.ports.gateway, "/one", headers=ask)
        (call,) = await wait_until(lambda: world.services.called("billing"), "the call")
        callback = call.callback_url
        assert callback.startswith(f"https://127.0.0.1:{site.ports.callbacks}/callbacks/")
        path = "/" + callback.partition("://")[2].partition("/")[2]
        assert (await site.send(site.ports.callbacks, path, body=b"done")).status == 202
        assert (await world.message(job_id, "billing")).body == b"done"
        assert (await site.send(site.ports.admin, "/metrics", method="GET", body=b"")).status == 200
        assert await replica.stop() == 0


async def test_a_replaced_certificate_is_served_by_a_running_process(site: Site) -> None:
    other = trustme.CA()
    with site.replica({"type": "none"}) as replica:
        await replica.start()
        site.files.issue(other, "127.0.0.1")

        async def renewed() -> bool:
            try:
                answer = await site.send(site.ports.admin, "/livez", tls=client(other), method="GET", body=b"")
            except ClientError:
                return False
            return answer.status == 200

        await ask_until(renewed, "the new certificate is served")


async def test_an_application_is_known_by_the_gateways_jwt_and_by_nothing_that_a_client_can_send(
    site: Site, world: World, keys: Keys
) -> None:
    world.services.behaviours["billing"] = world.services.answers(202)
    exp = time.time() + 600
    shop, rival = claims(exp=exp, _applicationid="12"), claims(exp=exp, _applicationid="13")
    identity = {"type": "wso2_jwt", "jwks_url": keys.url, "issuer": ISSUER, "ca_file": str(site.files.clients)}
    keys.away = True

    async def ask(sent: bytes, path: str = "/one", *, method: str = "POST", **headers: str) -> Answer:
        headers |= {"x_jwt_assertion": sent.decode(), "callback_url": world.hook}
        return await site.send(site.ports.gateway, path, method=method, body=b"", headers=headers)

    with site.replica(identity) as replica:
        await replica.start()
        cold = await ask(token(shop))
        assert (cold.status, cold.problem["code"]) == (503, "gateway_keys_unavailable")
        keys.away = False

        async def known() -> Answer | None:
            answer = await ask(token(shop, encode=plain64), x_api_application="13")
            return answer if answer.status != 503 else None

        answer = await ask_until(known, "the keys are read")
        assert answer.status == 202, answer
        job = f"/_jobs/{answer.headers['x-job-id']}"
        assert answer.json["links"]["self"] == f"https://gw.example/orders/1.0{job}"
        (call,) = await wait_until(lambda: world.services.called("billing"), "the call")
        assert call.headers["x-jwt-assertion"]  # verified, so services may have it
        keys.away = True
        assert (await ask(token(shop), job, method="GET")).status == 200  # the keys that are known go on
        assert (await ask(token(rival), job, method="GET", x_api_application="12")).status == 404
        for forged in (
            token(shop, key=b"secret", alg="HS256"),
            token(shop, key=rsa_key("stranger")),
            token(claims(exp=time.time() - 61)),
            token({**shop, "iss": "evil"}),
            token({name: value for name, value in shop.items() if name != f"{DIALECT}/applicationid"}),
            b"",
        ):
            refused = await ask(forged, x_api_application="12")
            assert (refused.status, refused.problem["code"]) == (401, "unauthorized")
        assert await replica.stop() == 0
    assert "gateway.unidentified" in replica.log.read_text()
    assert token(shop).decode() not in replica.log.read_text()


async def test_files_that_cannot_be_used_keep_it_from_starting(site: Site) -> None:
    site.files.issue(site.authority)
    site.files.write(site.files.key, b"hello")
    with site.replica({"type": "none"}) as replica:
        code, printed = await run_command("serve", "--config", str(replica.config))
    assert code == 78
    assert "gateway.tls.key_file: holds no private key that can be used" in printed
