"""Signatures of messages as Standard Webhooks writes them: HMAC-SHA256 (``v1``) and Ed25519 (``v1a``).

What is signed is ``{webhook-id}.{webhook-timestamp}.{body}``; see https://github.com/standard-webhooks/standard-webhooks.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HEADER: Final = "webhook-signature"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how a secret begins, not one
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
TOLERANCE: Final = 300.0  # seconds that a timestamp may differ from the receiver's clock

_LEAST: Final = 24  # bytes of a secret, by the specification; it has 64 at most
_MOST: Final = 64
_COPIED: Final = 64 * 1024  # bytes of a body that are signed in one go, which is four times quicker for small ones
_SEED: Final = 32  # bytes of an Ed25519 key, private or public


class Signer(Protocol):
    """One key that signs."""

    def sign(self, head: bytes, body: bytes) -> str:
        """Sign both together, with the version in front."""


class Verifier(Protocol):
    """One key that verifies."""

    version: str

    def genuine(self, signature: bytes, head: bytes, body: bytes) -> bool:
        """Tell whether a signature is of this key."""


class Secret:
    """A shared secret, ``whsec_...``."""

    version = "v1"

    def __init__(self, text: str) -> None:
        self._key = _decoded(text, SECRET_PREFIX)
        if not _LEAST <= len(self._key) <= _MOST:
            raise ValueError(f"it has {len(self._key)} bytes and not {_LEAST} to {_MOST}")

    def sign(self, head: bytes, body: bytes) -> str:
        """Sign with HMAC-SHA256."""
        return f"v1,{b64encode(self._mac(head, body)).decode()}"

    def genuine(self, signature: bytes, head: bytes, body: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._mac(head, body), signature)

    def _mac(self, head: bytes, body: bytes) -> bytes:
        if len(body) <= _COPIED:
            return hmac.digest(self._key, head + body, "sha256")
        mac = hmac.new(self._key, head, hashlib.sha256)
        mac.update(body)
        return mac.digest()


class PrivateKey:
    """An Ed25519 private key, ``whsk_...``: 32 bytes, or 64 with the public key behind."""

    def __init__(self, text: str) -> None:
        raw = _decoded(text, PRIVATE_PREFIX)
        if len(raw) not in {_SEED, 2 * _SEED}:
            raise ValueError(f"it has {len(raw)} bytes and neither {_SEED} nor {2 * _SEED}")
        self._key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED])
        self._public = self._key.public_key().public_bytes_raw()
        if raw[_SEED:] not in {b"", self._public}:
            raise ValueError("its second half is not the public key of its first")

    @property
    def public(self) -> str:
        """The public key, ``whpk_...``."""
        return PUBLIC_PREFIX + b64encode(self._public).decode()

    def jwk(self) -> dict[str, str]:
        """Describe the public key for other software (RFC 8037; the id is its thumbprint, RFC 7638)."""
        x = _url(self._public)
        thumbprint = _url(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": thumbprint, "x": x}

    def sign(self, head: bytes, body: bytes) -> str:
        """Sign with Ed25519."""
        return f"v1a,{b64encode(self._key.sign(head + body)).decode()}"


class PublicKey:
    """An Ed25519 public key, ``whpk_...``."""

    version = "v1a"

    def __init__(self, text: str) -> None:
        raw = _decoded(text, PUBLIC_PREFIX)
        if len(raw) != _SEED:
            raise ValueError(f"it has {len(raw)} bytes and not {_SEED}")
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    def genuine(self, signature: bytes, head: bytes, body: bytes) -> bool:
        """Verify with Ed25519."""
        try:
            self._key.verify(signature, head + body)
        except InvalidSignature:
            return False
        return True


def new_private_key() -> str:
    """Make an Ed25519 key, ``whsk_...``, with its public key behind."""
    key = Ed25519PrivateKey.generate()
    return PRIVATE_PREFIX + b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


def signature(keys: Sequence[Signer], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message with each key; a receiver takes whichever it knows."""
    head = f"{message_id}.{timestamp}.".encode()
    return " ".join(key.sign(head, body) for key in keys)


def verifier(text: str) -> Verifier:
    """Read what a receiver is given: ``whsec_...`` or ``whpk_...``.

    Raises:
        ValueError: It is neither; the text says why, and holds nothing of it.
    """
    return PublicKey(text) if text.startswith(PUBLIC_PREFIX) else Secret(text)


def complaint(key: Verifier, headers: Mapping[str, str], body: bytes, *, now: float) -> str | None:
    """Verify a message as a receiver does; ``None``: it is genuine.

    Args:
        key: What the receiver was given.
        headers: The message's, under lower-case names or case-insensitive.
        body: Its bytes as they came.
        now: Unix seconds.
    """
    given, message_id, timestamp = (headers.get(name, "") for name in (HEADER, "webhook-id", "webhook-timestamp"))
    if not given:
        return "there is no signature"
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE:
        return "webhook-timestamp is not of now"
    head = f"{message_id}.{timestamp}.".encode()
    for one in given.split(" "):
        version, _, encoded = one.partition(",")
        if version == key.version and key.genuine(_bytes(encoded), head, body):
            return None
    return "no signature is of this key"


def _decoded(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"it does not begin with {prefix}")
    encoded = text.removeprefix(prefix)
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {prefix} is not base64") from error


def _bytes(encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
