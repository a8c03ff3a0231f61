"""Fetch the public keys of a gateway (JWKS, RFC 7517)."""

import ssl
from pathlib import Path

import aiohttp

from sidecar.model.errors import ConfigError, KeysUnavailable
from sidecar.outbound.exchange import USER_AGENT

MAX_DOCUMENT = 1024 * 1024  # bytes
TIMEOUT = 5.0  # seconds for all of it


class JwksClient:
    """Asks one address. A connection for each question: there are few of them.

    Args:
        url: Where the keys are.
        ca_file: PEM file of authorities that are believed besides the system's.
        proxy: URL of an HTTP proxy; the environment's is never used.
        setting: Name of the setting of ``ca_file``, for errors.
        timeout: Seconds for one question in all.

    Raises:
        ConfigError: The file cannot be used.
    """

    def __init__(
        self, url: str, *, ca_file: Path | None, proxy: str | None, setting: str, timeout: float = TIMEOUT
    ) -> None:
        self._url = url
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            try:
                self._tls.load_verify_locations(cafile=ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"{setting}: {ca_file} cannot be used; {error.strerror or error}") from None

    async def fetch(self) -> bytes:
        """Return the document.

        Raises:
            KeysUnavailable: No answer, or another than 200; redirects are not followed.
        """
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={"user-agent": USER_AGENT},
                    timeout=self._timeout,
                    trust_env=False,
                ) as session,
                session.get(self._url, proxy=self._proxy, allow_redirects=False) as answer,
            ):
                if answer.status != 200:  # noqa: PLR2004 - OK
                    raise KeysUnavailable(f"the address of the keys answered {answer.status}")
                return await _read(answer.content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise KeysUnavailable(f"the address of the keys did not answer: {type(error).__name__}") from error


async def _read(content: aiohttp.StreamReader) -> bytes:
    document = bytearray()
    while chunk := await content.readany():
        document += chunk
        if len(document) > MAX_DOCUMENT:
            raise KeysUnavailable("the answer with the keys is too large")
    return bytes(document)
