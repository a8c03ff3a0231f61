"""The egress guard on real sockets: what is really dialled is judged, whatever was said before."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from ssrfguard.resolvers import UdpResolver
from yarl import URL

from sidecar.model.callback_url import WebhookUrl, parse_webhook_url
from sidecar.model.egress import EgressReason, Refusal, Target
from sidecar.outbound.egress import Dial, Egress, Guarded, make_egress
from sidecar.outbound.names import Names
from sidecar.outbound.requests import Failure, FailureKind, Reply, send
from sidecar.outbound.sessions import upload_session, webhook_session
from tests.integration.http.name_server import NameServer, name_server
from tests.unit.model.egress_corpus import LITERAL_HOSTILE, RESOLVES
from tests.unit.settings.builders import make_settings

OPEN: dict[str, Any] = {"webhook__require_https": False, "webhook__ports": ["1-65535"]}
LOOPBACK: dict[str, Any] = {**OPEN, "webhook__allow_networks": ["127.0.0.0/8"]}
PUBLIC = "93.184.216.34"


class Told:
    """What was told of refusals."""

    def __init__(self) -> None:
        self.reasons: list[EgressReason] = []

    def __call__(self, url: WebhookUrl, refusal: Refusal) -> None:
        assert url.host
        self.reasons.append(refusal.reason)


def numeric(host: str) -> Sequence[str]:
    """Resolve as an HTTP client's resolver does, without asking a server: odd spellings of addresses included."""
    if host in RESOLVES:
        return RESOLVES[host]
    if host.rstrip(".").endswith(("localhost", "localdomain")):
        return ("127.0.0.1", "::1")
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]


@asynccontextmanager
async def session_of(egress: Egress, *, proxy: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    ways = egress.ways(connect_timeout=60)
    async with webhook_session(connect_timeout=60, per_host=10, proxy=proxy, dialling=ways) as session:
        yield session
    await egress.names.stop()


@pytest.fixture
async def visitors() -> AsyncIterator[list[str]]:
    """The requests that reached a server on loopback; the first entry is its port."""
    came: list[str] = []

    async def take(request: web.BaseRequest) -> web.Response:
        came.append(request.path)
        return web.Response(status=302, headers={"location": f"http://127.0.0.1:{came[0]}/elsewhere"})

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    came.append(str(runner.addresses[0][1]))
    yield came
    await runner.cleanup()


def guarded(egress: Egress, session: aiohttp.ClientSession, told: Told) -> Callable[[str], Any]:
    guard, way = Guarded(egress, told=told), partial(send, session, method="POST", max_response=100)
    return lambda url: guard.send(way, url=url, headers=[], body=b"{}", timeout=60)


async def test_no_spelling_of_a_forbidden_address_is_dialled() -> None:
    egress, refused = make_egress(make_settings(), Names(numeric)), 0
    async with session_of(egress) as session:
        for text in LITERAL_HOSTILE:
            host = parse_webhook_url(text).host
            dial = Dial(Target(host, 443))  # as if the form and the name had been waved through
            with dial:
                answer = await send(session, method="POST", url=text, headers=[], body=b"", timeout=60, max_response=1)
            assert isinstance(answer, Failure), text
            assert not dial.opened, text
            refused += dial.refused is not None
    assert refused > 100  # the rest is no address for this client, in its spelling


async def test_public_addresses_get_a_socket() -> None:
    egress = make_egress(make_settings(), Names(numeric))
    for text in ("93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        dial = Dial(Target("hooks.example", 443))
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        with dial, egress.open_socket((family, socket.SOCK_STREAM, 0, "", (text, 443))) as made:
            assert (made.family, dial.refused) == (family, None)


async def test_what_is_dialled_without_a_target_is_refused(visitors: list[str]) -> None:
    egress = make_egress(make_settings(**LOOPBACK), Names(numeric))
    async with session_of(egress) as session:
        url = f"http://127.0.0.1:{visitors[0]}/"
        answer = await send(session, method="POST", url=url, headers=[], body=b"", timeout=60, max_response=1)
        assert answer == Failure(FailureKind.CONNECT, sent=False)
    assert visitors[1:] == []


@pytest.fixture
async def dns() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


def names_of(dns: NameServer) -> Names:
    """Ask that server anew each time."""
    client = UdpResolver(nameservers=("127.0.0.1",), nameserver_port=dns.port)
    return Names(lambda host: [str(row[4][0]) for row in client(host)], fresh=0)


@pytest.mark.parametrize(
    ("opened", "expected", "came"),
    [(OPEN, Failure(FailureKind.EGRESS, sent=False), []), (LOOPBACK, 302, ["/hook"])],
    ids=["guarded", "opened"],
)
async def test_a_name_that_moves_to_loopback_after_it_was_accepted_is_not_dialled(
    opened: dict[str, Any], expected: object, came: list[str], dns: NameServer, visitors: list[str]
) -> None:
    egress, told = make_egress(make_settings(**opened), names_of(dns)), Told()
    url = f"http://rebinding.evil.example:{visitors[0]}/hook"
    dns.records["rebinding.evil.example"] = (PUBLIC,)
    assert await egress.refusal(parse_webhook_url(url)) is None
    dns.records["rebinding.evil.example"] = ("127.0.0.1",)
    async with session_of(egress) as session:
        answer = await guarded(egress, session, told)(url)
    assert (answer.status if isinstance(answer, Reply) else answer) == expected  # a redirect is never followed
    assert visitors[1:] == came
    assert told.reasons == ([] if came else ["loopback"])
    assert dns.asked.count("rebinding.evil.example") >= 2


async def test_a_name_with_one_forbidden_address_is_refused_and_never_dialled_there(
    dns: NameServer, visitors: list[str]
) -> None:
    egress, told = make_egress(make_settings(**OPEN), names_of(dns)), Told()
    dns.records["mixed.evil.example"] = ("127.0.0.1", "169.254.169.254", "::1")
    url = f"http://mixed.evil.example:{visitors[0]}/hook"
    refusal = await egress.refusal(parse_webhook_url(url))
    assert refusal is not None
    async with session_of(egress) as session:
        assert await guarded(egress, session, told)(url) == Failure(FailureKind.EGRESS, sent=False)
    assert (visitors[1:], len(told.reasons)) == ([], 1)


async def test_a_name_that_does_not_exist_is_no_refusal_but_a_failure_of_dns(dns: NameServer) -> None:
    egress, told = make_egress(make_settings(), names_of(dns)), Told()
    assert await egress.refusal(parse_webhook_url("https://nobody.example/")) is None
    async with session_of(egress) as session:
        answer = await guarded(egress, session, told)("https://nobody.example/")
    assert (answer, told.reasons) == (Failure(FailureKind.DNS, sent=False), [])


async def test_settings_that_became_stricter_hold_for_what_was_accepted_before(visitors: list[str]) -> None:
    told = Told()
    egress = make_egress(make_settings(), Names(numeric))
    async with session_of(egress) as session:
        sending = guarded(egress, session, told)
        for url in (f"http://127.0.0.1:{visitors[0]}/", "https://10.0.0.1/", "https://127.1/"):
            assert await sending(url) == Failure(FailureKind.EGRESS, sent=False)
    assert told.reasons == ["port", "not_public", "spelling"]


async def test_an_upload_is_guarded_like_a_message(visitors: list[str]) -> None:
    egress = make_egress(make_settings(**OPEN), Names(numeric))
    url = f"http://localhost.localdomain:{visitors[0]}/bucket/key"
    async with upload_session(connect_timeout=60, dialling=egress.ways(connect_timeout=60)) as session:
        dial = Dial(Target("localhost.localdomain", int(visitors[0])))
        with dial, pytest.raises(aiohttp.ClientConnectorError):
            await session.put(URL(url), data=b"x")
    await egress.names.stop()
    assert dial.refused is not None
    assert visitors[1:] == []


async def test_a_slow_name_holds_up_nobody_for_long_and_no_other_name() -> None:
    gate = threading.Event()

    def slow(host: str) -> Sequence[str]:
        if host == "slow.example":
            gate.wait(60)
        return (PUBLIC,)

    names = Names(slow)
    try:
        waiting = [asyncio.create_task(names.find("slow.example", within=0.05)) for _ in range(100)]
        assert (await names.find("quick.example", within=30)).addresses
        assert {answer.addresses for answer in await asyncio.gather(*waiting)} == {()}
        # Its look-up has had its time: who comes later does not wait for it at all.
        assert (await names.find("slow.example", within=0.05)).addresses == ()
    finally:
        gate.set()
        await names.stop()


async def test_an_old_answer_stands_in_while_name_servers_are_away() -> None:
    now, away = [0.0], [False]

    def lookup(_: str) -> Sequence[str]:
        if away[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return (PUBLIC,)

    names = Names(lookup, clock=lambda: now[0])
    first = await names.find("hooks.example", within=5)
    away[0] = True
    now[0] = 100.0
    assert (await names.find("hooks.example", within=5)).addresses == first.addresses
    now[0] = 1000.0
    assert (await names.find("hooks.example", within=5)).addresses == ()
    assert (await names.find("other.example", within=5)).addresses == ()


async def test_a_name_that_is_gone_is_gone_at_once() -> None:
    now = [0.0]
    known = {"hooks.example": (PUBLIC,)}

    def lookup(host: str) -> Sequence[str]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return known[host]

    names = Names(lookup, clock=lambda: now[0])
    assert (await names.find("hooks.example", within=5)).addresses
    known.clear()
    now[0] = 31.0
    assert not (await names.find("hooks.example", within=5)).addresses


async def test_a_name_with_thousands_of_addresses_is_cut() -> None:
    names = Names(lambda _: [f"93.{n >> 8}.{n & 255}.1" for n in range(5000)])
    assert len((await names.find("many.evil.example", within=5)).addresses) == 64


class Proxy:
    """A forward proxy that connects to nobody: it notes what it is asked for, and answers itself."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        status = b"403 Forbidden" if head.startswith(b"CONNECT") else b"204 No Content"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


async def test_behind_a_proxy_the_addresses_that_we_find_are_judged_before_it_is_asked(proxy: Proxy) -> None:
    over = {"webhook__require_https": False, "webhook__proxy": f"http://127.0.0.1:{proxy.port}"}
    egress, told = make_egress(make_settings(**over), Names(numeric)), Told()
    async with session_of(egress, proxy=f"http://127.0.0.1:{proxy.port}") as session:
        sending = guarded(egress, session, told)
        answers = [
            await sending(url)
            for url in (
                "http://93.184.216.34/hook",
                "http://only-the-proxy-knows.example/hook",
                "https://only-the-proxy-knows.example/hook",
                "http://10.0.0.1/hook",
                "http://meta.evil.example/hook",
            )
        ]
    assert [answer.status if isinstance(answer, Reply) else answer.kind for answer in answers] == [
        204,
        204,
        FailureKind.CONNECT,  # the proxy refused to connect
        FailureKind.EGRESS,
        FailureKind.EGRESS,
    ]
    assert told.reasons == ["not_public", "metadata"]
    assert proxy.asked == [
        "POST http://93.184.216.34/hook HTTP/1.1",
        "POST http://only-the-proxy-knows.example/hook HTTP/1.1",
        "CONNECT only-the-proxy-knows.example:443 HTTP/1.1",
    ]
