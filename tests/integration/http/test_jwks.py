"""Reading the gateway's keys from a real server over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from sidecar.model.errors import ConfigError, KeysUnavailable
from sidecar.model.jwt import parse_keys
from sidecar.outbound.jwks import MAX_DOCUMENT, JwksClient
from tests.unit.tokens import jwk, jwks, rsa_key

DOCUMENT = jwks(jwk(rsa_key()))


@dataclass
class Site:
    """A server of keys, and the file of its authority."""

    ca_file: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    never: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/jwks":
            return web.Response(body=DOCUMENT)
        if request.path == "/moved":
            return web.Response(status=302, headers={"location": "/jwks"})
        if request.path == "/huge":
            return web.Response(body=b" " * (MAX_DOCUMENT + 1))
        if request.path == "/hangs":
            await self.never.wait()
        return web.Response(status=500, body=DOCUMENT)

    def client(self, path: str = "/jwks", *, host: str = "localhost", timeout: float = 60.0) -> JwksClient:
        url = self.url.replace("localhost", host) + path
        return JwksClient(url, ca_file=self.ca_file, proxy=None, setting="gateway.identity.ca_file", timeout=timeout)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    authority = trustme.CA()
    made = Site(tmp_path / "ca.pem")
    made.ca_file.write_bytes(authority.cert_pem.bytes())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    runner = web.ServerRunner(web.Server(made.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}"
    yield made
    made.never.set()
    await runner.cleanup()


async def test_the_document_is_read_over_tls(site: Site) -> None:
    assert set(parse_keys(await site.client().fetch())) == {"k1"}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/moved", "answered 302"),
        ("/broken", "answered 500"),
        ("/huge", "too large"),
        ("/hangs", "did not answer: .*Timeout"),
    ],
)
async def test_any_other_answer_is_told(path: str, why: str, site: Site) -> None:
    with pytest.raises(KeysUnavailable, match=why):
        await site.client(path, timeout=60.0 if path != "/hangs" else 2.0).fetch()
    assert site.asked == [path]


async def test_a_server_with_another_name_is_not_believed(site: Site) -> None:
    with pytest.raises(KeysUnavailable, match="Certificate"):
        await site.client(host="127.0.0.1").fetch()


async def test_a_server_of_another_authority_is_not_believed(site: Site) -> None:
    site.ca_file.write_bytes(trustme.CA().cert_pem.bytes())
    with pytest.raises(KeysUnavailable, match="Certificate"):
        await site.client().fetch()
    assert site.asked == []


async def test_nobody_there_is_told(site: Site) -> None:
    site.url = "https://localhost:1"
    with pytest.raises(KeysUnavailable, match="did not answer"):
        await site.client().fetch()


@pytest.mark.parametrize("content", [None, b"hello"])
async def test_authorities_that_cannot_be_read_are_named_at_the_start(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^gateway\.identity\.ca_file: .*ca\.pem cannot be used"):
        JwksClient("https://localhost/", ca_file=file, proxy=None, setting="gateway.identity.ca_file")
