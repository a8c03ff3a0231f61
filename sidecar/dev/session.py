"""``sidecar dev``: everything a sidecar needs, started on loopback in order, told on screen, and stopped in order."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from sidecar.dev.demo import Demo
from sidecar.dev.demo_config import (
    Ports,
    dev_settings,
    read_settings,
    sample_request,
    signing_secret,
    token_secrets,
    wants_store,
    write_settings,
)
from sidecar.dev.embedded import Embedded
from sidecar.dev.first import first_of
from sidecar.dev.guards import only_one, told_by_signals
from sidecar.dev.listening import show_downloads
from sidecar.dev.narrator import Narrator
from sidecar.dev.ports import free_port
from sidecar.dev.render import body_lines, header_lines
from sidecar.dev.services import DemoServices
from sidecar.dev.sidecar_process import SidecarProcess
from sidecar.dev.tour import take_tour
from sidecar.dev.webhook import Message, Webhook
from sidecar.ledger.migrate import migrate
from sidecar.model.errors import SidecarError
from sidecar.model.webhook_signature import Secret, Verifier

DATABASE = "sidecar"
KILLED = 130  # the exit status after a second Ctrl-C
SIGNING = "webhook-signing"  # the file with the secret that signs messages
SHOWN = 200  # characters of a body that was downloaded


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What ``sidecar dev`` was asked for. ``config``: the user's own settings instead of the demo routes."""

    directory: Path
    config: Path | None
    tour: bool


def run_dev(options: DevOptions) -> int:
    """Run until Ctrl-C (or SIGTERM) and return the exit status: 0, or 1 when something failed.

    Call it from the main thread: the kernel ties the children's lives to the thread that starts them.
    """
    narrator = Narrator()
    try:
        own = read_settings(options.config) if options.config else None
        with (
            only_one(options.directory),
            Embedded(options.directory, with_store=wants_store(own), narrator=narrator) as embedded,
        ):
            return asyncio.run(DevSession(options, own, embedded=embedded, narrator=narrator).run())
    except (SidecarError, OSError, RuntimeError, ModuleNotFoundError) as error:
        narrator.tell("sidecar", "could not run", str(error).splitlines())
        return 1
    except KeyboardInterrupt:
        return KILLED


class DevSession:
    """One run of ``sidecar dev`` on embedded parts that serve already."""

    def __init__(
        self, options: DevOptions, own: Mapping[str, Any] | None, *, embedded: Embedded, narrator: Narrator
    ) -> None:
        self._options = options
        self._own = own
        self._embedded = embedded
        self._narrator = narrator
        self._ports = Ports(
            gateway=free_port(*range(8080, 8180, 10)),
            callbacks=free_port(*range(8081, 8181, 10)),
            admin=free_port(*range(8082, 8182, 10)),
        )
        self._log = options.directory / "sidecar.log"
        self._settings: dict[str, Any] = {}
        self._stop = asyncio.Event()
        # Own settings know nothing of the demo's authority, and may name service users of their own.
        self._demo = Demo(options.directory / "demo", narrator) if own is None else None
        self._webhook = Webhook(
            self._received,
            followed=lambda message: show_downloads(narrator, message, limit=SHOWN),
            port=free_port(*range(8083, 8183, 10)),
            tls=self._demo.webhook_tls if self._demo else None,
            whose=self._demo.key_manager.whose if self._demo else None,
            key=self._verifier(),
        )
        self._services = DemoServices(narrator, port=free_port(*range(9000, 9100, 10)))

    async def run(self) -> int:
        """Start everything, take the tour if asked for, stay until a signal, stop everything in reverse order."""
        sidecar = self._sidecar()
        with told_by_signals(self._asked_to_stop(sidecar)):
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._webhook.stop)
                await self._webhook.start()
                if self._demo is not None:
                    stack.push_async_callback(self._services.stop)
                    await self._services.start()
                    stack.push_async_callback(self._demo.key_manager.stop)
                    await self._demo.key_manager.start()
                self._write_settings()
                await self._migrate()
                stack.push_async_callback(sidecar.stop)
                return await self._serve(sidecar)

    async def _serve(self, sidecar: SidecarProcess) -> int:
        return await first_of(self._until_told(), self._show(sidecar), self._death_of(sidecar), self._embedded.death())

    async def _until_told(self) -> int:
        await self._stop.wait()
        self._narrator.title("Stopping: the sidecar first, then what it needs")
        return 0

    async def _death_of(self, sidecar: SidecarProcess) -> int:
        await sidecar.ended()
        return 1

    async def _show(self, sidecar: SidecarProcess) -> int:
        """Start the sidecar, show what it does, and come back only when something is wrong."""
        tell = self._narrator.tell
        await sidecar.start()
        tell("sidecar", f"serves requests at {self._ports.gateway_url}")
        tell("sidecar", f"takes the services' callbacks at {self._ports.callbacks_url}")
        tell("sidecar", f"shows health and metrics at {self._ports.admin_url}/metrics")
        tell("webhook", f"shows what it receives; its address is {self._webhook.url}")
        if self._demo is not None:
            tell("keys", f"a key manager issues the service user's tokens at {self._demo.key_manager.token_url}")
        if self._options.tour and not await self._tour():
            return 1
        self._invite()
        await asyncio.Event().wait()  # until the session ends
        return 0

    async def _tour(self) -> bool:
        narrator = self._narrator
        revoke = self._demo.key_manager.revoke if self._demo else lambda: None
        result = await take_tour(self._ports.gateway_url, webhook=self._webhook, narrator=narrator, revoke=revoke)
        narrator.plain(result.summary(), *(f"  {trouble}" for trouble in result.troubles))
        if result.troubles:
            narrator.plain(f"Log of the sidecar: {self._log}")
        return not result.troubles

    def _invite(self) -> None:
        method, path = sample_request(self._settings.get("routes"))
        body = '{"lines": [{"sku": "A-100", "quantity": 3}]}'
        self._narrator.title("Try it yourself, in another terminal:")
        self._narrator.plain(
            f"curl -i -X {method} '{self._ports.gateway_url}{path}' -H 'callback-url: {self._webhook.url}'"
            f" -H 'content-type: application/json' -d '{body}'"
        )
        settings = self._options.directory / "sidecar.yaml"
        self._narrator.title("And see what its webhook did not take at first:")
        self._narrator.plain(f"{Path(sys.executable).with_name('sidecar')} retries list --config {settings}")
        self._narrator.plain(
            "",
            "What the webhook receives is shown here.",
            f"Log of the sidecar:  {self._log}",
            *self._embedded.logs(),
            f"Settings in use:     {settings}",
            "Ctrl-C stops everything; the data is kept for the next time.",
        )

    def _verifier(self) -> Verifier | None:
        """Verify what is signed by our secret; settings that sign by their own are left to ``sidecar listen``."""
        ours = not ((self._own or {}).get("webhook") or {}).get("signing")
        return Secret(signing_secret(self._options.directory / SIGNING)) if ours else None

    def _received(self, message: Message) -> None:
        details = [*header_lines(message.headers.items()), *body_lines(message.body)]
        self._narrator.tell("webhook", message.summary(), details if message.taken else ())

    def _sidecar(self) -> SidecarProcess:
        environ = {name: value for name, value in os.environ.items() if not self._overrules(name)}
        settings = self._options.directory / "sidecar.yaml"
        return SidecarProcess(settings, log=self._log, admin_url=self._ports.admin_url, environ=environ)

    def _overrules(self, variable: str) -> bool:
        """The settings written here must hold, whatever the person's environment says of another sidecar."""
        return variable.upper().startswith("SIDECAR_" if self._own is None else "SIDECAR_DATABASE__")

    def _write_settings(self) -> None:
        directory, postgres = self._options.directory, self._embedded.postgres
        self._settings = dev_settings(
            self._demo.settings(self._services.url, self._webhook.url) if self._demo else self._own or {},
            ports=self._ports,
            dsn=f"postgresql://postgres@127.0.0.1:{postgres.port}/{DATABASE}",
            password_file=postgres.home.password_file,
            tokens=token_secrets(directory / "callback-tokens"),
            signing=directory / SIGNING,
            store=self._embedded.store_access(),
        )
        write_settings(directory / "sidecar.yaml", self._settings)

    async def _migrate(self) -> None:
        postgres = self._embedded.postgres
        connection = await asyncpg.connect(postgres.superuser_dsn)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()
        await migrate(postgres.dsn(DATABASE))

    def _asked_to_stop(self, sidecar: SidecarProcess) -> Callable[[], None]:
        def asked() -> None:
            if self._stop.is_set():
                sidecar.kill()
                self._embedded.kill()
                os._exit(KILLED)
            self._stop.set()

        return asked
