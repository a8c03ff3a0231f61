"""Small aiohttp servers for demonstrations; they listen on loopback unless told otherwise."""

import ssl

from aiohttp import web

MAX_BODY = 64 * 1024 * 1024  # bytes


class LoopbackServer:
    """Serve one application until stopped, with ``tls`` by https.

    Port 0 picks a free one; :attr:`url` tells which after the start. With ``auto_decompress=False`` handlers get bodies
    as they came.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        auto_decompress: bool = True,
    ) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, auto_decompress=auto_decompress)
        self._host = host
        self._port = port
        self._tls = tls

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and end what is open."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - read, not bound
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"
