"""The token in a callback address: who may answer for one invocation, with secrets that rotate."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID


class TokenKind(StrEnum):
    """The token's first letter, covered by its MAC.

    It spares the hot path a look-up: only a ``RULED`` invocation has a ``failed_when`` to fetch.
    """

    PLAIN = "p"
    RULED = "r"


class CallbackTokens:
    """Make and check callback tokens: HMAC-SHA256 over kind, job and service (RFC 2104).

    Secrets come newest first; the newest one signs, all of them verify. They must be kept as long as the longest
    deadline, or callbacks under way are answered 404.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError("at least one callback secret is needed")
        self._keyed = tuple(hmac.new(secret, digestmod="sha256") for secret in secrets)

    def make(self, job_id: UUID, service: str, kind: TokenKind) -> str:
        """Return the token for one invocation."""
        return kind + _mac(self._keyed[0], f"{kind}/{job_id}/{service}".encode()).decode()

    def check(self, job_id: UUID, service: str, token: str) -> TokenKind | None:
        """Return the kind of a genuine token, ``None`` for any other; in constant time for each secret."""
        try:
            kind = TokenKind(token[:1])
            given = token[1:].encode("ascii")
            message = f"{kind}/{job_id}/{service}".encode()  # a raw path may hold bytes that are no text
        except ValueError:
            return None
        genuine = False
        for keyed in self._keyed:
            genuine |= hmac.compare_digest(_mac(keyed, message), given)
        return kind if genuine else None


def _mac(keyed: hmac.HMAC, message: bytes) -> bytes:
    """Continue from a secret that was digested before; to begin with it each time takes longer than the rest."""
    mac = keyed.copy()
    mac.update(message)
    return urlsafe_b64encode(mac.digest()).rstrip(b"=")
