from collections.abc import Mapping, Sequence

import pytest

from sidecar.accept.identity import (
    Caller,
    ClientCertificate,
    Identity,
    NoIdentity,
    Peer,
    SharedSecret,
    Unidentified,
    caller_of,
)
from sidecar.model.errors import ProblemError

SECRET = SharedSecret("X-Sidecar-Key", ["sëcret", "the-old-one"])
CERTIFICATE = ClientCertificate(frozenset({"gw.corp.example", "CN=wso2"}))
PROOF = {"x-sidecar-key": ["sëcret".encode()]}
SHOP = {"x-api-application": [b"shop"]}

Sent = Mapping[str, Sequence[bytes]]


@pytest.mark.parametrize(
    ("context", "path"),
    [("/orders/1.0", "/orders/1.0"), ("orders/1.0/", "/orders/1.0"), ("/", ""), ("", ""), ("//a//", "/a")],
)
def test_the_context_is_a_path_to_put_in_front(context: str, path: str) -> None:
    assert SECRET.identify({**PROOF, "x-api-context": [context.encode()]}, None).context == path


@pytest.mark.parametrize(
    ("key_type", "sandbox"), [("SANDBOX", True), ("sandbox ", True), ("PRODUCTION", False), ("", False)]
)
def test_a_sandbox_key_is_known(key_type: str, *, sandbox: bool) -> None:
    assert SECRET.identify({**PROOF, "x-api-key-type": [key_type.encode()]}, None).sandbox is sandbox


def test_without_words_of_the_gateway_the_caller_is_unnamed() -> None:
    assert SECRET.identify(PROOF, None) == Caller()


def test_an_application_has_a_name_of_bounded_length() -> None:
    longest = {**PROOF, "x-api-application": ["ü".encode() * 255]}
    assert SECRET.identify(longest, None).application == "ü" * 255
    with pytest.raises(ProblemError) as caught:
        SECRET.identify({**PROOF, "x-api-application": ["ü".encode() * 256]}, None)
    assert (caught.value.problem.status, caught.value.problem.code) == (400, "header_invalid")


def test_nothing_is_read_before_the_gateway_has_proved_itself() -> None:
    with pytest.raises(Unidentified) as caught:
        SECRET.identify({"x-sidecar-key": [b"guess"], "x-api-application": [b"\xff"]}, None)
    assert (caught.value.problem.status, caught.value.problem.code) == (401, "unauthorized")


def test_what_is_not_verified_is_not_even_read() -> None:
    assert NoIdentity().identify({"x-api-application": [b"\xff", b"two"]}, None) == Caller()


PROVED: dict[str, tuple[Identity, Sent, Peer]] = {
    "the secret": (SECRET, PROOF, None),
    "the secret before it changed": (SECRET, {"x-sidecar-key": [b"the-old-one"]}, None),
    "a certificate with the name": (CERTIFICATE, {}, frozenset({"gw.corp.example", "other"})),
    "a certificate with the common name": (CERTIFICATE, {}, frozenset({"CN=wso2"})),
    "any certificate that is believed": (ClientCertificate(frozenset()), {}, frozenset()),
}


@pytest.mark.parametrize(("identity", "sent", "peer"), PROVED.values(), ids=PROVED.keys())
async def test_a_gateway_that_proved_itself_is_believed(identity: Identity, sent: Sent, peer: Peer) -> None:
    assert await caller_of(identity, {**sent, **SHOP}, peer) == Caller("shop")


UNPROVED: dict[str, tuple[Identity, Sent, Peer, str]] = {
    "no secret": (SECRET, {}, frozenset({"gw.corp.example"}), "no_secret"),
    "an empty secret": (SECRET, {"x-sidecar-key": [b""]}, None, "secret"),
    "another secret": (SECRET, {"x-sidecar-key": [b"secret"]}, None, "secret"),
    "two secrets": (SECRET, {"x-sidecar-key": ["sëcret".encode()] * 2}, None, "secret"),
    "no certificate": (CERTIFICATE, PROOF, None, "no_certificate"),
    "no certificate where any will do": (ClientCertificate(frozenset()), PROOF, None, "no_certificate"),
    "a certificate with another name": (CERTIFICATE, {}, frozenset({"gw.corp.example.evil"}), "certificate_name"),
    "a host named like the common name": (CERTIFICATE, {}, frozenset({"wso2"}), "certificate_name"),
}


@pytest.mark.parametrize(("identity", "sent", "peer", "reason"), UNPROVED.values(), ids=UNPROVED.keys())
async def test_whoever_did_not_prove_to_be_the_gateway_is_refused(
    identity: Identity, sent: Sent, peer: Peer, reason: str
) -> None:
    with pytest.raises(Unidentified) as caught:
        await caller_of(identity, {**sent, **SHOP}, peer)
    assert caught.value.reason == reason
    assert reason not in caught.value.problem.detail


def test_a_secret_proof_never_travels_on_and_assertions_do_only_once_somebody_is_verified() -> None:
    assert SECRET.withheld == {"x-sidecar-key"}
    assert CERTIFICATE.withheld == frozenset()
    assert NoIdentity().withheld == {"x-jwt-assertion"}
