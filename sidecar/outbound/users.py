"""Service users: as whom a message is sent. Each kind tells its credentials, and whether a refusal makes new ones."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sidecar.model.errors import ConfigError
from sidecar.model.reasons import OwnReason
from sidecar.outbound.certificates import CertificatePool
from sidecar.outbound.requests import Failure, Reply
from sidecar.outbound.tokens import Token, TokenSource, Unready
from sidecar.settings.secrets import LiveSecret

_FIELD = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")  # RFC 9110, section 5.5, without obs-text

WAIT_FOR_FILE = 10.0
"""Seconds until messages come again whose service user has a file that cannot be read."""


class Post(Protocol):
    """One HTTP POST by a connection pool of its own."""

    def __call__(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Awaitable[Reply | Failure]:
        """Send one request; ``timeout`` is in seconds, to the end of the response."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one attempt shows: headers, and where the connection itself tells who we are, its own way to send."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    post: Post | None = None
    token: Token | None = field(default=None, repr=False)


NOBODY = Credentials()
"""No credentials."""


class ServiceUser(Protocol):
    """One of ``webhook.service_users``."""

    kind: str

    @property
    def blocked(self) -> bool:
        """Whether there are no credentials now, so that nothing should be claimed for this user."""

    async def credentials(self) -> Credentials | Unready:
        """Return what to show, or why there is nothing to show now."""

    async def renewed(self, refused: Credentials) -> Credentials | Unready | None:
        """Return other credentials than those that a webhook refused with 401; None when there are no others."""

    async def close(self) -> None:
        """Let go of connections and tasks."""


Told = Callable[[OwnReason, str], None]
"""Told why there are no credentials, in a word and in words without secrets."""


class Anonymous:
    """Sends nothing that tells who we are."""

    kind = "none"
    blocked = False

    async def credentials(self) -> Credentials:
        """Return nothing to show."""
        return NOBODY

    async def renewed(self, refused: Credentials) -> None:
        """Have nothing else to show."""

    async def close(self) -> None:
        """Have nothing to let go."""


class TokenUser:
    """Shows a Bearer token (RFC 6750).

    Args:
        source: The token.
        kind: The kind of user.
        close_server: Closes what the source fetches by.
    """

    def __init__(self, source: TokenSource, *, kind: str, close_server: Callable[[], Awaitable[None]]) -> None:
        self.kind = kind
        self._source = source
        self._close_server = close_server

    @property
    def blocked(self) -> bool:
        """Whether there is no token now."""
        return self._source.blocked

    async def credentials(self) -> Credentials | Unready:
        """Return the token."""
        return _bearer(await self._source.token())

    async def renewed(self, refused: Credentials) -> Credentials | Unready | None:
        """Return another token; only the one that was refused is given up."""
        return None if refused.token is None else _bearer(await self._source.renewed(refused.token))

    async def close(self) -> None:
        """End a fetch under way, and close its connections."""
        await self._source.close()
        await self._close_server()


class HeaderUser:
    """Shows a header whose value comes from a secret.

    Args:
        header: Name of the header.
        secret: Where the value comes from.
        render: Makes the value of the secret.
        told: Told why the secret cannot be read.
        kind: The kind of user.

    Raises:
        ConfigError: The value cannot stand in a header.
    """

    blocked = False

    def __init__(self, header: str, secret: LiveSecret, *, render: Callable[[str], str], told: Told, kind: str) -> None:
        self.kind = kind
        self._header = header
        self._secret = secret
        self._render = render
        self._told = told
        self._made(secret.current())

    async def credentials(self) -> Credentials | Unready:
        """Return the header."""
        try:
            return self._made(self._secret.current())
        except ConfigError as error:
            return unreadable(error, self._told)

    async def renewed(self, refused: Credentials) -> Credentials | Unready | None:
        """Read the secret again; it helps if it has another one by now."""
        try:
            made = self._made(self._secret.read())
        except ConfigError as error:
            return unreadable(error, self._told)
        return made if made.headers != refused.headers else None

    async def close(self) -> None:
        """Have nothing to let go."""

    def _made(self, secret: str) -> Credentials:
        value = self._render(secret)
        if not _FIELD.match(value):
            raise ConfigError(f"the value of {self._header} holds what no header may hold; give one line of ASCII text")
        return Credentials(((self._header, value),))


class CertificateUser:
    """Shows a TLS client certificate, on connections that nobody else uses.

    Args:
        pool: The connections.
        told: Told why changed files cannot be used; the certificate before is used on meanwhile.
    """

    kind = "mtls"
    blocked = False

    def __init__(self, pool: CertificatePool, *, told: Told) -> None:
        self._pool = pool
        self._told = told
        self._credentials = Credentials(post=pool.send)

    async def credentials(self) -> Credentials:
        """Return the way to send."""
        try:
            await self._pool.look()
        except ConfigError as error:
            self._told(OwnReason.UNREADABLE, str(error))
        return self._credentials

    async def renewed(self, refused: Credentials) -> Credentials | None:
        """Look at the files again; it helps if they have changed."""
        try:
            return refused if self._pool.renew() else None
        except ConfigError as error:
            self._told(OwnReason.UNREADABLE, str(error))
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


def unreadable(error: ConfigError, told: Told) -> Unready:
    """Tell that a file cannot be read, and wait for somebody to mend it."""
    told(OwnReason.UNREADABLE, str(error))
    return Unready(OwnReason.UNREADABLE, WAIT_FOR_FILE)


def _bearer(token: Token | Unready) -> Credentials | Unready:
    if isinstance(token, Unready):
        return token
    return Credentials((("authorization", f"Bearer {token.value}"),), token=token)
