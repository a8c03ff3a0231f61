"""TLS client certificates: a connection pool of its own for each, and another one when its files change."""

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from sidecar.model.errors import ConfigError
from sidecar.outbound.requests import Failure, Reply, send
from sidecar.outbound.sessions import trusting
from sidecar.settings.secrets import FileStamp, file_stamp

LOOK_AGAIN = 1.0
"""Seconds between two looks at the files."""

_NO_PASSWORD = bytes  # a key that needs one is an error; without this OpenSSL would ask at the terminal

OpenSession = Callable[[ssl.SSLContext], aiohttp.ClientSession]


class _Pool:
    """One session, closed when it was replaced and nothing uses it any more."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.users = 0
        self.replaced = False

    async def close_unused(self) -> None:
        if self.replaced and not self.users:
            await self.session.close()


class CertificatePool:
    """Sends requests with one client certificate.

    Args:
        cert_file: PEM file of the certificate and its chain.
        key_file: PEM file of its private key.
        ca_file: PEM file of authorities that are trusted besides the system's.
        open_session: Opens a session that shows the certificate of a context.
        max_response: Bytes of a response's body that are read.
        clock: Steady seconds.

    Raises:
        ConfigError: The files cannot be used.
    """

    def __init__(
        self,
        *,
        cert_file: Path,
        key_file: Path,
        ca_file: Path | None,
        open_session: OpenSession,
        max_response: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = (cert_file, key_file)
        self._ca_file = ca_file
        self._open_session = open_session
        self._max_response = max_response
        self._clock = clock
        self._stamps: Sequence[FileStamp | None] = ()
        self._looked_at = 0.0
        self._retired: list[_Pool] = []
        self._pool = _Pool(open_session(self._load()))

    def renew(self) -> bool:
        """Take changed files over, at once; tells whether they had changed.

        Raises:
            ConfigError: They changed and cannot be used: half written, or certificate and key do not fit.
        """
        self._looked_at = self._clock()
        if [file_stamp(file) for file in self._files] == list(self._stamps):
            return False
        context = self._load()
        old, self._pool = self._pool, _Pool(self._open_session(context))
        old.replaced = True
        self._retired = [pool for pool in self._retired if not pool.session.closed] + [old]
        return True

    async def send(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Reply | Failure:
        """Send one POST; ``timeout`` is in seconds, to the end of the response."""
        pool = self._pool
        pool.users += 1
        try:
            return await send(
                pool.session,
                method="POST",
                url=url,
                headers=headers,
                body=body,
                timeout=timeout,
                max_response=self._max_response,
            )
        finally:
            pool.users -= 1
            await pool.close_unused()

    async def look(self) -> None:
        """Notice changed files, within a second.

        Raises:
            ConfigError: They changed and cannot be used.
        """
        if self._clock() - self._looked_at >= LOOK_AGAIN and self.renew():
            for pool in self._retired:
                await pool.close_unused()

    async def close(self) -> None:
        """Close all connections."""
        for pool in (*self._retired, self._pool):
            await pool.session.close()

    def _load(self) -> ssl.SSLContext:
        stamps = [file_stamp(file) for file in self._files]
        cert_file, key_file = self._files
        context = client_context(cert_file, key_file, ca_file=self._ca_file)
        self._stamps = stamps
        return context


def client_context(cert_file: Path, key_file: Path, *, ca_file: Path | None) -> ssl.SSLContext:
    """Make a client's context that shows a certificate.

    Raises:
        ConfigError: The files cannot be used.
    """
    context = trusting(ca_file)
    try:
        context.load_cert_chain(cert_file, key_file, password=_NO_PASSWORD)
    except ssl.SSLError as error:
        reason = (error.reason or "it is no PEM").replace("_", " ").lower()
        raise ConfigError(
            f"{cert_file}: cannot be used as a client certificate, {reason}; check it and {key_file}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{cert_file} or {key_file}: cannot be read; {error.strerror}") from error
    return context
