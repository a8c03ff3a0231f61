"""One request over TLS, to servers that are not who they should be."""

import ssl

import aiohttp

from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.outbound.sessions import service_session
from tests.integration.http.scripted import OK, TLS, Server, call, reply


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    return context


async def test_a_certificate_of_an_unknown_authority_sent_nothing(
    session: aiohttp.ClientSession, server: Server
) -> None:
    port = await server(reply(OK), tls=server_context())
    answer = await call(session, port, scheme="https", host="localhost")
    assert answer == Failure(FailureKind.TLS, sent=False)


async def test_a_certificate_counts_for_its_host_only(server: Server) -> None:
    port = await server(reply(OK), tls=server_context())
    async with service_session(connect_timeout=60, ca_file=TLS / "ca.pem") as session:
        good = await call(session, port, scheme="https", host="localhost")
        assert isinstance(good, Reply)
        wrong = await call(session, port, scheme="https", host="127.0.0.1")
        assert wrong == Failure(FailureKind.TLS, sent=False)


async def test_tls_towards_a_plain_server_sent_nothing(session: aiohttp.ClientSession, server: Server) -> None:
    port = await server(reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), read_head=False)
    assert await call(session, port, scheme="https") == Failure(FailureKind.TLS, sent=False)
