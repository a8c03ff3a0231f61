"""Callers' credentials at rest: sealed when a request is stored, so that its calls can be repeated after a crash.

What is stored of a request's headers is a block as in model.headers. Those that hold credentials are taken out and
stand in one line of it, ``:sealed: KEY-ID NONCE CIPHERTEXT`` (base64url); no header on the wire has such a name. The
block goes when every service has the request. Sealed by AES-256-GCM under a key of the job's day, bound to the job.
"""

import binascii
import hmac
import os
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.model.route import ServiceCall

KEY_PREFIX = "seal_"
KEY_BYTES = 32
MARK = b":sealed: "
_ID, _NONCE = 4, 12  # bytes
_DAY = 86_400_000  # milliseconds, which the first 48 bits of a UUIDv7 count
_DAYS_AT_ONCE = 64  # subkeys in memory


class SealError(Exception):
    """The credentials of a job cannot be read; the message tells why and the remedy, and holds none of them."""


class Seals:
    """Seal credentials, and open what was sealed.

    A key may seal 2^32 blocks with random nonces (NIST SP 800-38D, section 8.3). Since each day has a subkey of its
    own, that is 50,000 jobs a second.

    Args:
        keys: 32 bytes each, newest first; the newest one seals, all of them open.
        names: Lower-case names of the headers that hold credentials.
    """

    def __init__(self, keys: Sequence[bytes], *, names: Collection[str]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("at least one key of 32 bytes is needed")
        self._keys = {key_id(key): key for key in keys}
        self._newest = key_id(keys[0])
        self._names = frozenset(name.lower().encode() for name in names)
        # One pass over the block, in C: most requests have none.
        self._holds_any = re.compile(rb"\r\n(?:" + b"|".join(map(re.escape, sorted(self._names))) + rb"):").search
        self._cipher = lru_cache(_DAYS_AT_ONCE)(self._make_cipher)

    def close(self, job_id: UUID, block: bytes, calls: Iterable[ServiceCall]) -> bytes:
        """Seal the credentials in a block, so that it may be stored; those that no call will get are left out."""
        return self._sealed(job_id, block, calls) if self._holds_any(b"\r\n" + block.lower()) else block

    def _sealed(self, job_id: UUID, block: bytes, calls: Iterable[ServiceCall]) -> bytes:
        lines = block.split(b"\r\n")
        secret = [line for line in lines if line[: line.find(b":")].lower() in self._names]
        plain = [line for line in lines if line not in secret]
        wanted = wanted_by(calls, [line[: line.find(b":")].decode("latin-1").lower() for line in secret])
        secret = [line for line, name in zip(secret, wanted, strict=True) if name]
        if secret:
            nonce = os.urandom(_NONCE)
            cipher = self._cipher(self._newest, day_of(job_id))
            sealed = self._newest + nonce + cipher.encrypt(nonce, b"\r\n".join(secret), _bound_to(job_id))
            plain.insert(0, MARK + urlsafe_b64encode(sealed))
        return b"\r\n".join(plain)

    def open(self, job_id: UUID, block: bytes) -> bytes:
        """Return a block as it was before it was sealed, the credentials last; one without a seal as it is.

        Raises:
            SealError: The key is not among ours, or what is stored was changed or belongs to another job.
        """
        if not block.startswith(MARK):
            return block
        line, _, rest = block.partition(b"\r\n")
        try:
            sealed = urlsafe_b64decode(line[len(MARK) :])
        except binascii.Error:
            raise SealError("the stored credentials are damaged") from None
        key, nonce, text = sealed[:_ID], sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :]
        if key not in self._keys:
            why = f"the stored credentials were sealed with the key {key.hex()}, which is not configured here"
            raise SealError(f"{why}; keep old keys for as long as the longest deadline")
        try:
            secret = self._cipher(key, day_of(job_id)).decrypt(nonce, text, _bound_to(job_id))
        except (InvalidTag, ValueError):
            raise SealError("the stored credentials were changed, or belong to another job") from None
        return b"\r\n".join([rest, secret]) if rest else secret

    def _make_cipher(self, key: bytes, day: int) -> AESGCM:
        # One block of HKDF-Expand (RFC 5869): the key is uniform already.
        return AESGCM(hmac.digest(self._keys[key], b"sidecar credentials of the day %d\x01" % day, "sha256"))


def key_id(key: bytes) -> bytes:
    """Name a key: four bytes that tell nothing else of it."""
    return hmac.digest(key, b"sidecar key id", "sha256")[:_ID]


def parse_key(text: str) -> bytes:
    """Read a key as it is written: ``seal_`` and 32 bytes in base64.

    Raises:
        ValueError: It is none.
    """
    try:
        key = b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(KEY_PREFIX) or len(key) != KEY_BYTES:
        raise ValueError(f"is no sealing key; write {KEY_PREFIX} and 32 random bytes in base64")
    return key


def derived_key(secret: bytes) -> bytes:
    """Make a key of another secret (HKDF, RFC 5869, with an empty salt)."""
    extracted = hmac.digest(bytes(KEY_BYTES), secret, "sha256")
    return hmac.digest(extracted, b"wso2-mediation-sidecar sealing\x01", "sha256")


def wanted_by(calls: Iterable[ServiceCall], names: Sequence[str]) -> list[bool]:
    """Tell for each header whether some call will get it."""
    found = list(calls)
    return [
        any(
            not any(name == dropped.lower() for dropped in call.strip_headers)
            and (name != "cookie" or any(given.lower() == "cookie" for given in call.forward_headers))
            for call in found
        )
        for name in names
    ]


def day_of(job_id: UUID) -> int:
    """Number the day of a job."""
    return (job_id.int >> 80) // _DAY


def _bound_to(job_id: UUID) -> bytes:
    return b"request headers of " + job_id.bytes  # a request belongs to all services of its job: their name is ''
