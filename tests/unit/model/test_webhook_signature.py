"""Signatures of messages, read by independent software: the standardwebhooks library, and cryptography itself."""

import time
from base64 import b64decode, b64encode, urlsafe_b64decode
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from sidecar.model.webhook_signature import PrivateKey, Secret, complaint, new_private_key, signature, verifier

OLD, NEW = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
SEED = bytes(range(32))
PRIVATE = f"whsk_{b64encode(SEED).decode()}"
ID = "01900000-0000-7000-8000-000000000001:billing:succeeded"
BODY = '{"total": "10 \u20ac"}'.encode()


def headers(*keys: Secret | PrivateKey, body: bytes = BODY, at: int | None = None) -> dict[str, str]:
    timestamp = int(time.time()) if at is None else at
    signed = signature(keys, message_id=ID, timestamp=timestamp, body=body)
    return {"webhook-id": ID, "webhook-timestamp": str(timestamp), "webhook-signature": signed}


def verify_ed25519(public: bytes, sent: dict[str, str], body: bytes) -> None:
    """As a receiver does that knows nothing but the specification."""
    content = b".".join([sent["webhook-id"].encode(), sent["webhook-timestamp"].encode(), body])
    signatures = [one.split(",") for one in sent["webhook-signature"].split(" ")]
    (encoded,) = [encoded for version, encoded in signatures if version == "v1a"]
    Ed25519PublicKey.from_public_bytes(public).verify(b64decode(encoded), content)


@given(st.text(max_size=200))
def test_the_library_of_standard_webhooks_verifies_a_message(text: str) -> None:
    body = text.encode()
    Webhook(NEW).verify(body, headers(Secret(NEW), body=body), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body + b" ", headers(Secret(NEW), body=body), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers(Secret(NEW), body=body), json_parse=False)


def test_what_we_write_is_what_the_library_writes() -> None:
    at = 1_700_000_000
    written = Webhook(NEW).sign(ID, datetime.fromtimestamp(at, tz=UTC), BODY.decode())
    assert headers(Secret(NEW), at=at)["webhook-signature"] == written


def test_during_rotation_receivers_with_either_key_verify_and_ed25519_beside_it() -> None:
    sent = headers(Secret(NEW), Secret(OLD), PrivateKey(PRIVATE))
    assert [one.partition(",")[0] for one in sent["webhook-signature"].split(" ")] == ["v1", "v1", "v1a"]
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(BODY, sent) == {"total": "10 \u20ac"}
    verify_ed25519(Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw(), sent, BODY)


def test_ed25519_is_verified_by_what_only_knows_the_public_key() -> None:
    key = PrivateKey(PRIVATE)
    public = b64decode(key.public.removeprefix("whpk_"))
    sent = headers(key)
    verify_ed25519(public, sent, BODY)
    with pytest.raises(InvalidSignature):
        verify_ed25519(public, sent, BODY + b"x")
    with pytest.raises(InvalidSignature):
        verify_ed25519(public, sent | {"webhook-timestamp": "1700000000"}, BODY)


def test_the_public_key_is_the_same_to_other_software() -> None:
    key = PrivateKey(PRIVATE)
    public = b64decode(key.public.removeprefix("whpk_"))
    found = jwt.PyJWK.from_dict(key.jwk()).key
    assert isinstance(found, Ed25519PublicKey)
    assert found.public_bytes_raw() == public == urlsafe_b64decode(key.jwk()["x"] + "=")
    assert PrivateKey(f"whsk_{b64encode(SEED + public).decode()}").public == key.public


def test_a_new_key_is_whole_and_another_each_time() -> None:
    one, other = new_private_key(), new_private_key()
    assert len(b64decode(one.removeprefix("whsk_"))) == 64
    assert PrivateKey(one).public != PrivateKey(other).public


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it does not begin with whsec_"),
        ("between-us", "it does not begin with whsec_"),
        ("whsec_!!!!", "is not base64"),
        ("whsec_c2hvcnQ=", "it has 5 bytes and not 24 to 64"),
        (f"whsec_{b64encode(bytes(65)).decode()}", "it has 65 bytes"),
        ("whpk_c2hvcnQ=", "it has 5 bytes and not 32"),
    ],
)
def test_a_key_that_is_none_says_why_and_not_what_it_is(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        verifier(text)
    assert "c2hvcnQ" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OLD, "it does not begin with whsk_"),
        (f"whsk_{b64encode(bytes(31)).decode()}", "it has 31 bytes and neither 32 nor 64"),
        (f"whsk_{b64encode(SEED + bytes(32)).decode()}", "its second half is not the public key of its first"),
    ],
)
def test_a_private_key_that_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PrivateKey(text)


@pytest.mark.parametrize("text", [NEW, NEW.rstrip("=")])
def test_our_own_receiver_takes_what_is_genuine(text: str) -> None:
    assert complaint(verifier(text), headers(Secret(OLD), Secret(NEW)), BODY, now=time.time()) is None
    key = PrivateKey(PRIVATE)
    assert complaint(verifier(key.public), headers(Secret(OLD), key), BODY, now=time.time()) is None


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"webhook-signature": ""}, "there is no signature"),
        ({"webhook-signature": "v1,AAAA"}, "no signature is of this key"),
        ({"webhook-signature": "v1"}, "no signature is of this key"),
        ({"webhook-signature": "v1,\u20ac v1a,AAAA nonsense"}, "no signature is of this key"),
        ({"webhook-id": "another"}, "no signature is of this key"),
        ({"webhook-timestamp": "1700000000"}, "webhook-timestamp is not of now"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp is not of now"),
    ],
)
def test_our_own_receiver_says_what_is_wrong(over: dict[str, str], why: str) -> None:
    for key, text in ((Secret(NEW), NEW), (PrivateKey(PRIVATE), PrivateKey(PRIVATE).public)):
        assert complaint(verifier(text), headers(key) | over, BODY, now=time.time()) == why
