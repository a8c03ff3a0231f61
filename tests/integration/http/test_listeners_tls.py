"""The listeners over TLS: who may connect, what an open connection is answered, and files that are replaced."""

import asyncio
import io
import json
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from sidecar.model.errors import ConfigError
from sidecar.schedule.certificates import Certificates
from sidecar.telemetry.log import make_log
from sidecar.web.body import read_body
from sidecar.web.protocol import ProblemProtocol
from sidecar.web.tls import ServerTls
from tests.integration.http.echoing import MARK
from tests.integration.http.test_listeners_raw import BAD_SHAPES
from tests.integration.http.wire import Listeners, head
from tests.tls_files import Files, client

NO_CONNECTION = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    made = Files(tmp_path)
    made.issue(authority)
    made.believe(authority)
    return made


async def names(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the names of the client's certificate."""
    protocol = request.protocol
    assert isinstance(protocol, ProblemProtocol)
    await read_body(request, limit=100, idle_timeout=60)
    return web.json_response(None if protocol.peer is None else sorted(protocol.peer))


def serving(settings: Any) -> ServerTls:
    return ServerTls(settings, setting="gateway.tls")


async def asked(listeners: Listeners, listener: Any, tls: ssl.SSLContext) -> Any:
    wire = await listeners.connect(listener, tls)
    await wire.send(head("Content-Length: 2") + b"ok")
    return json.loads((await wire.answer()).body)


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_are_answered_over_tls(
    most: ssl.TLSVersion, listeners: Listeners, files: Files, authority: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()))
    wire = await listeners.connect(listener, client(authority, most=most))
    for _ in range(2):
        await wire.send(head("Content-Length: 2") + b"ok")
        assert (await wire.answer()).status == 200
    assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None


async def test_older_versions_of_tls_are_refused(listeners: Listeners, files: Files, authority: trustme.CA) -> None:
    old = client(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    listener = await listeners.start(names, tls=serving(files.settings()))
    with pytest.raises(NO_CONNECTION):
        await listeners.connect(listener, old)


async def test_only_http_1_1_is_agreed_on(listeners: Listeners, files: Files, authority: trustme.CA) -> None:
    tls = client(authority)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    wire = await listeners.connect(await listeners.start(names, tls=serving(files.settings())), tls)
    assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("shape", BAD_SHAPES.values(), ids=BAD_SHAPES.keys())
async def test_what_is_not_http_gets_a_problem_document_and_the_connection_ends(
    shape: bytes, listeners: Listeners, files: Files, authority: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()))
    wire = await listeners.connect(listener, client(authority))
    await wire.send(shape)
    answer = await wire.answer()
    assert (answer.version, answer.status, answer.problem["code"]) == ("HTTP/1.1", 400, "bad_request")
    assert answer.headers["connection"] == "close"
    assert MARK.encode() not in answer.body
    assert await wire.closed()


async def test_plain_http_on_the_port_ends_the_connection(listeners: Listeners, files: Files) -> None:
    wire = await listeners.connect(await listeners.start(names, tls=serving(files.settings())))
    await wire.send(head("Content-Length: 0"))
    with pytest.raises(NO_CONNECTION):
        await wire.answer()
    assert await wire.closed()


async def test_a_handshake_that_is_not_begun_ends_after_the_time_for_headers(
    listeners: Listeners, files: Files
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()), head_timeout=0.05)
    assert await (await listeners.connect(listener)).closed()


async def test_a_head_that_drips_in_ends_the_connection(
    listeners: Listeners, files: Files, authority: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()), head_timeout=3.0)
    wire = await listeners.connect(listener, client(authority))
    await wire.send(b"POST / HTTP/1.1\r\nHo")
    assert await wire.closed()


async def test_a_client_that_is_still_sending_sees_why_it_is_refused(
    listeners: Listeners, files: Files, authority: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()), count=100_000)
    wire = await listeners.connect(listener, client(authority))
    await wire.send(b"GET /x HTTP/1.1\r\nHost: here\r\n")
    filling = asyncio.create_task(wire.send(b"X-A: 0123456789\r\n" * 10_000))
    answer = await wire.answer()
    assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")
    assert await wire.closed()
    await asyncio.gather(filling, return_exceptions=True)


async def test_a_body_that_ends_early_ends_the_connection_and_nothing_else(
    listeners: Listeners, files: Files, authority: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings()))
    wire = await listeners.connect(listener, client(authority))
    await wire.send(head("Content-Length: 20") + b"abc")
    wire.writer.close()
    assert await asked(listeners, listener, client(authority)) is None


async def test_a_required_certificate_must_be_one_that_is_believed(
    listeners: Listeners, files: Files, authority: trustme.CA, stranger: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings_for_clients()))
    shows = authority.issue_cert("gw.corp.example", "10.1.2.3", common_name="wso2")
    assert await asked(listeners, listener, client(authority, shows=shows)) == [
        "10.1.2.3",
        "CN=wso2",
        "gw.corp.example",
    ]
    for nobody in (client(authority), client(authority, shows=stranger.issue_cert("gw.corp.example"))):
        with pytest.raises(NO_CONNECTION):
            await asked(listeners, listener, nobody)


async def test_an_optional_certificate_may_be_left_out_but_not_be_a_strangers(
    listeners: Listeners, files: Files, authority: trustme.CA, stranger: trustme.CA
) -> None:
    listener = await listeners.start(names, tls=serving(files.settings_for_clients("optional")))
    assert await asked(listeners, listener, client(authority)) is None
    shows = authority.issue_cert("gw.corp.example")
    assert "gw.corp.example" in await asked(listeners, listener, client(authority, shows=shows))
    with pytest.raises(NO_CONNECTION):
        await asked(listeners, listener, client(authority, shows=stranger.issue_cert("gw.corp.example")))


async def test_a_replaced_certificate_is_served_without_a_restart_and_open_connections_stay(
    listeners: Listeners, files: Files, authority: trustme.CA, stranger: trustme.CA
) -> None:
    tls = serving(files.settings())
    listener = await listeners.start(names, tls=tls)
    kept = await listeners.connect(listener, client(authority))
    files.issue(stranger)
    assert tls.renew()
    assert not tls.renew()
    assert await asked(listeners, listener, client(stranger)) is None
    with pytest.raises(ssl.SSLCertVerificationError):
        await asked(listeners, listener, client(authority))
    await kept.send(head("Content-Length: 0"))
    assert (await kept.answer()).status == 200


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_authority_that_was_removed_is_believed_no_longer(
    most: ssl.TLSVersion, listeners: Listeners, files: Files, authority: trustme.CA, stranger: trustme.CA
) -> None:
    tls = serving(files.settings_for_clients())
    listener = await listeners.start(names, tls=tls)
    old = client(authority, shows=authority.issue_cert("gw"), most=most)
    new = client(authority, shows=stranger.issue_cert("gw"), most=most)
    assert "gw" in await asked(listeners, listener, old)
    files.believe(stranger)
    assert tls.renew()
    assert "gw" in await asked(listeners, listener, new)
    with pytest.raises(NO_CONNECTION):
        await asked(listeners, listener, old)


async def test_files_that_do_not_fit_are_told_and_what_was_served_goes_on(
    listeners: Listeners, files: Files, authority: trustme.CA, stranger: trustme.CA
) -> None:
    stream = io.BytesIO()
    log = make_log("json", "info", stream)
    tls = serving(files.settings())
    duty = Certificates([tls], log=log)
    listener = await listeners.start(names, tls=tls)
    whole = files.key.read_bytes()
    files.write(files.key, stranger.issue_cert("localhost").private_key_pem.bytes())  # half of a replacement
    assert not await duty.run_once()
    assert await asked(listeners, listener, client(authority)) is None
    files.write(files.key, whole)
    await duty.run_once()
    await duty.run_once()
    log.flush()
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in told] == ["certificate.unusable", "certificate.renewed"]
    assert told[0]["error"] == "gateway.tls.key_file: is not the key of the certificate in cert_file"


def locked(files: Files, authority: trustme.CA) -> None:
    key = serialization.load_pem_private_key(authority.issue_cert("x").private_key_pem.bytes(), None)
    passphrase = serialization.BestAvailableEncryption(b"open sesame")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, passphrase)
    files.write(files.key, pem)


BAD_FILES = {
    "no certificate file": (lambda f, _: f.cert.unlink(), r"gateway\.tls\.cert_file: .* cannot be read"),
    "no key file": (lambda f, _: f.key.unlink(), r"gateway\.tls\.key_file: .* cannot be read"),
    "no authorities": (lambda f, _: f.clients.unlink(), r"gateway\.tls\.client_ca_file: .* cannot be read"),
    "certificate is no PEM": (lambda f, _: f.write(f.cert, b"hello"), r"cert_file: holds no certificate"),
    "certificate is a key": (lambda f, _: f.write(f.cert, f.key.read_bytes()), r"cert_file: holds no certificate"),
    "key is no PEM": (lambda f, _: f.write(f.key, b"hello"), r"key_file: holds no private key"),
    "key is a certificate": (lambda f, _: f.write(f.key, f.cert.read_bytes()), r"key_file: holds no private key"),
    "key has a passphrase": (locked, r"key_file: needs a passphrase"),
    "authorities are no PEM": (lambda f, _: f.write(f.clients, b"\xff"), r"client_ca_file: holds no certificate"),
    "authorities are empty": (lambda f, _: f.write(f.clients, b""), r"client_ca_file: holds no certificate"),
}


@pytest.mark.parametrize(("spoil", "error"), BAD_FILES.values(), ids=BAD_FILES.keys())
async def test_files_that_cannot_be_used_are_named_at_the_start(
    spoil: Any, error: str, files: Files, authority: trustme.CA
) -> None:
    spoil(files, authority)
    with pytest.raises(ConfigError, match=error):
        serving(files.settings_for_clients())
