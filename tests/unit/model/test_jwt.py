"""Tokens of a gateway: which are believed, and all the ways to forge one."""

import json
from typing import Any

import jwt as independent
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.jwt import KeyUnknown, TokenRefused, parse_keys, verify
from tests.unit.tokens import CLAIMS, ISSUER, NOW, claims, ec_key, ed_key, jwk, jwks, plain64, rsa_key, token, url64

KEYS = parse_keys(jwks(jwk(rsa_key()), jwk(rsa_key("second"), "k2"), jwk(ec_key(), "ec"), jwk(ed_key(), "ed")))


def read(sent: bytes, keys: Any = KEYS, *, now: float = NOW) -> dict[str, Any]:
    return verify(sent, keys, issuer=ISSUER, now=now, leeway=60)


BELIEVED = {
    "RS256": token(),
    "RS512": token(alg="RS512"),
    "PS256": token(alg="PS256"),
    "the second key": token(key=rsa_key("second"), kid="k2"),
    "ES256": token(key=ec_key(), alg="ES256", kid="ec"),
    "EdDSA": token(key=ed_key(), alg="EdDSA", kid="ed"),
    "plain base64, with padding": token(claims(sub="~~~???>>>"), encode=plain64),
    "WSO2's x5t": token(header={"alg": "RS256", "kid": "k1", "x5t": "ZjRmYTMwNTJj", "x5t#S256": "ZjRm"}),
    "expiry in milliseconds": token(claims(exp=(NOW + 900) * 1000)),
    "expired within the leeway": token(claims(exp=NOW - 59)),
    "valid in a moment": token(claims(nbf=NOW + 59)),
}


@pytest.mark.parametrize("sent", BELIEVED.values(), ids=BELIEVED.keys())
def test_a_genuine_token_is_believed(sent: bytes) -> None:
    assert read(sent)["iss"] == ISSUER


def test_an_independent_writer_is_understood() -> None:
    sent = independent.encode(CLAIMS, rsa_key(), algorithm="RS256", headers={"kid": "k1"})
    assert read(sent.encode()) == CLAIMS


def pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def resigned(sent: bytes, **over: Any) -> bytes:
    """Other claims under the signature of these."""
    head, _, proof = sent.split(b".")
    return b".".join((head, url64(json.dumps(claims(**over)).encode()).encode(), proof))


def unsigned(alg: str, proof: str = "") -> bytes:
    return (
        f"{url64(json.dumps({'alg': alg, 'kid': 'k1'}).encode())}.{url64(json.dumps(CLAIMS).encode())}.{proof}".encode()
    )


FORGED: dict[str, tuple[bytes, str]] = {
    "alg none": (unsigned("none"), "algorithm"),
    "alg None": (unsigned("None", "AAAA"), "algorithm"),
    "alg empty": (unsigned(""), "algorithm"),
    "no alg": (token(alg=None), "algorithm"),
    "alg is a list": (token(header={"alg": ["RS256"], "kid": "k1"}), "algorithm"),
    "HS256 with the public key as secret (PEM)": (token(key=pem(), alg="HS256"), "algorithm"),
    "HS256 with the modulus as secret": (token(key=jwk(rsa_key())["n"].encode(), alg="HS256"), "algorithm"),
    "ES256 said of an RSA key": (token(alg="ES256"), "signature"),
    "RS256 said of an EC key": (token(kid="ec"), "signature"),
    "another algorithm than it was signed with": (token(header={"alg": "PS256", "kid": "k1"}, key=b"x"), "signature"),
    "another's key under a known id": (token(key=rsa_key("second")), "signature"),
    "a key of its own in the header": (token(key=rsa_key("stranger"), jwk=jwk(rsa_key("stranger"))), "signature"),
    "an address of keys in the header": (token(key=rsa_key("stranger"), jku="https://evil.example/jwks"), "signature"),
    "no signature": (token().rpartition(b".")[0] + b".", "signature"),
    "a signature cut short": (token()[:-8], "signature"),
    "other claims": (resigned(token(), _applicationid="1"), "signature"),
    "an extension that must be understood": (token(crit=["b64"], b64=False), "algorithm"),
    "no key id": (token(kid=None), "no_key_id"),
    "an empty key id": (token(kid=""), "no_key_id"),
    "a key id that is no text": (token(kid=1), "no_key_id"),
    "another issuer": (token(claims(iss="https://evil.example")), "issuer"),
    "no issuer": (token(claims(iss=None)), "issuer"),
    "a list of issuers": (token(claims(iss=[ISSUER])), "issuer"),
    "expired": (token(claims(exp=NOW - 60)), "expired"),
    "expired, in milliseconds": (token(claims(exp=(NOW - 60) * 1000)), "expired"),
    "no expiry": (token(claims(exp=None)), "times"),
    "expiry as text": (token(claims(exp="9999999999")), "times"),
    "expiry as a truth": (token(claims(exp=True)), "times"),
    "not yet valid": (token(claims(nbf=NOW + 61)), "not_yet_valid"),
    "claims that are a list": (token(b"[]"), "malformed"),
    "claims that are no JSON": (token(b"{"), "malformed"),
    "claims with infinity": (token(b'{"exp": 1e999}'), "malformed"),
    "a header that is no JSON": (b"e30.e30", "malformed"),
    "five parts, as when encrypted": (b"e30.e30.e30.e30.e30", "malformed"),
    "nothing": (b"", "malformed"),
    "not base64": (b"!!.e30.e30", "malformed"),
    "padding in the middle": (b"e3=0.e30.e30", "malformed"),
    "bytes that are no text": (b"\xff.\xff.\xff", "malformed"),
    "a huge one": (b"a" * 70_000 + b".e30.e30", "malformed"),
    "deeply nested": (url64(b"[" * 20_000).encode() + b".e30.e30", "malformed"),
}


@pytest.mark.parametrize(("sent", "reason"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(sent: bytes, reason: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        read(sent)
    assert str(caught.value) == reason


def test_a_key_that_is_not_known_may_be_a_new_one() -> None:
    with pytest.raises(KeyUnknown):
        read(token(kid="k3"))


def test_one_id_may_stand_for_a_key_of_each_algorithm() -> None:
    both = parse_keys(jwks(jwk(rsa_key(), alg="RS256"), jwk(rsa_key("second"), alg="RS512")))
    assert read(token(), both)
    assert read(token(key=rsa_key("second"), alg="RS512"), both)
    with pytest.raises(TokenRefused, match="signature"):
        read(token(key=rsa_key("second")), both)


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1])
def test_an_elliptic_key_serves_the_algorithm_of_its_curve_only(curve: type[ec.EllipticCurve]) -> None:
    keys = parse_keys(jwks(jwk(ec_key(curve))))
    with pytest.raises(TokenRefused, match="signature"):
        read(token(key=ec_key(curve), alg="ES256"), keys)


USELESS = {
    "a secret key": {"kty": "oct", "kid": "k1", "k": url64(b"secret" * 8)},
    "a key for encryption": jwk(rsa_key(), use="enc"),
    "a key for another algorithm": jwk(rsa_key(), alg="RSA-OAEP"),
    "a key for a shared secret": jwk(rsa_key(), alg="HS256"),
    "a key without an id": jwk(rsa_key(), None),
    "a short key": jwk(rsa_key("short", 1024)),
    "a private key": jwk(rsa_key(), d="AQAB"),
    "a broken key": jwk(rsa_key(), n="!!"),
    "half a key": jwk(rsa_key(), n=None),
    "another kind": {"kty": "XYZ", "kid": "k1"},
    "no kind": {"kid": "k1"},
    "no key": "k1",
}


@pytest.mark.parametrize("useless", USELESS.values(), ids=USELESS.keys())
def test_keys_that_cannot_prove_anything_are_left_out(useless: Any) -> None:
    assert set(parse_keys(jwks(useless, jwk(rsa_key("second"), "k2")))) == {"k2"}
    with pytest.raises(ValueError, match="holds no public key"):
        parse_keys(jwks(useless))


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"keys": 1}', b'{"keys": {}}', b"<html>", b"\xff"])
def test_what_is_no_set_of_keys_is_told(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"is no set of keys|holds no public key"):
        parse_keys(document)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(sent: bytes) -> None:
    with pytest.raises((TokenRefused, KeyUnknown)):
        read(sent)


GENUINE = token()


@given(st.integers(0, len(GENUINE) - 1), st.integers(1, 255))
def test_a_token_with_any_one_byte_changed_is_refused_or_means_the_same(place: int, change: int) -> None:
    sent = bytearray(GENUINE)
    sent[place] ^= change
    try:
        found = read(bytes(sent))
    except (TokenRefused, KeyUnknown):
        return
    assert found == CLAIMS
