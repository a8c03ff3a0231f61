"""The three listeners of a worker, made from the settings."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256

from sidecar.accept.identity import Identity
from sidecar.accept.quotas import Quotas
from sidecar.accept.request import AcceptRules
from sidecar.accept.stage import Acceptor
from sidecar.accept.targets import Targets
from sidecar.accept.view import Jobs
from sidecar.gather.stage import Gather
from sidecar.kit.periodic import Periodic
from sidecar.model.audit import Actor
from sidecar.model.errors import ConfigError
from sidecar.operate.ports import Operator
from sidecar.schedule.certificates import Certificates
from sidecar.settings.admin import AdminSettings
from sidecar.settings.callbacks import CallbackSettings
from sidecar.settings.gateway import GatewaySettings
from sidecar.settings.root import Settings
from sidecar.settings.route_table import RouteTable
from sidecar.settings.secrets import read_secret
from sidecar.telemetry.exposition import Exposition
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing
from sidecar.web.admin import AdminHandler
from sidecar.web.api.handler import ApiHandler
from sidecar.web.body import BodyReader
from sidecar.web.callbacks import CallbacksHandler
from sidecar.web.console.handler import ConsoleHandler
from sidecar.web.download import Downloads
from sidecar.web.gateway import GatewayHandler
from sidecar.web.home import Limits
from sidecar.web.public_keys import PublicKeys
from sidecar.web.server import Handler, Listener, serve
from sidecar.web.tls import ServerTls
from sidecar.web.tokens import NamedToken, Tokens

RENEWAL_INTERVAL = 2.0
"""Seconds between looks at the files of certificates."""

_CLOSE_GRACE = 5.0

Address = GatewaySettings | CallbackSettings | AdminSettings
"""The settings of one listener: where, and how."""


class Listeners:
    """Open and close the gateway, callbacks and admin listeners."""

    def __init__(self, settings: Settings, *, log: EventLog, metrics: Metrics, reuse_port: bool) -> None:
        self._settings = settings
        self._log = log
        self._metrics = metrics
        self._reuse_port = reuse_port
        self._open: dict[str, Listener] = {}
        sections: dict[str, Address] = {
            "gateway": settings.gateway,
            "callbacks": settings.callbacks,
            "admin": settings.admin,
        }
        self._tls = {
            name: ServerTls(section.tls, setting=f"{name}.tls")
            for name, section in sections.items()
            if section.tls is not None
        }
        if self._tls:
            text = "Unix time at which the first certificate of a listener expires."
            metrics.gauge("certificate_expires", text, lambda: min(tls.expires_at for tls in self._tls.values()))

    @property
    def ports(self) -> dict[str, int]:
        """The port of each open listener, by name."""
        return {name: listener.port for name, listener in self._open.items()}

    def renewal(self, on_error: Callable[[str, Exception], None]) -> Periodic:
        """Make the duty that takes over certificates whose files changed."""
        certificates = Certificates(list(self._tls.values()), log=self._log)
        return Periodic("certificates", interval=RENEWAL_INTERVAL, run_once=certificates.run_once, on_error=on_error)

    async def open_admin(
        self,
        *,
        exposition: Exposition,
        why_not_ready: Callable[[], str | None],
        operator: Callable[[Actor], Operator],
    ) -> None:
        """Open the listener for probes, metrics and operators."""
        admin = self._settings.admin
        tokens, idle = _tokens(admin), self._settings.gateway.timeouts.body_idle
        handler = AdminHandler(
            ready=why_not_ready,
            metrics=exposition,
            open_paths=admin.open,
            tokens=tokens,
            api=ApiHandler(operator, idle_timeout=idle),
            console=ConsoleHandler(operator, tokens, idle_timeout=idle) if admin.tokens else None,
        )
        await self._serve("admin", admin, handler)

    async def open_callbacks(self, *, gather: Gather) -> None:
        """Open the listener that services call back."""
        handler = CallbacksHandler(
            gather=gather,
            bodies=BodyReader(
                limit=self._settings.max_callback_body,
                budget=self._settings.gateway.max_in_flight_bytes,
                idle_timeout=self._settings.gateway.timeouts.body_idle,
                total_timeout=self._settings.callbacks.body_timeout,
                threshold=self._settings.threshold,
            ),
            log=self._log,
        )
        await self._serve("callbacks", self._settings.callbacks, handler)

    async def open_gateway(
        self,
        *,
        rules: AcceptRules,
        acceptor: Acceptor,
        targets: Targets,
        jobs: Jobs,
        downloads: Downloads | None,
        keys: PublicKeys,
        quotas: Quotas | None,
        tracing: Tracing | None,
    ) -> None:
        """Open the listener that the gateway calls."""
        gateway = self._settings.gateway
        handler = GatewayHandler(
            rules=rules,
            routes=RouteTable(self._settings.routes),
            acceptor=acceptor,
            targets=targets,
            jobs=jobs,
            max_pending=gateway.max_pending,
            bodies=BodyReader(
                limit=self._settings.max_request_body,
                budget=gateway.max_in_flight_bytes,
                idle_timeout=gateway.timeouts.body_idle,
                total_timeout=gateway.timeouts.body,
                threshold=self._settings.threshold,
            ),
            log=self._log,
            metrics=self._metrics,
            downloads=downloads,
            keys=keys,
            quotas=quotas,
            tracing=tracing,
        )
        await self._serve("gateway", gateway, handler)

    async def close(self) -> None:
        """Take no new connections, let requests under way end, close."""
        for name in ("gateway", "callbacks"):
            if name in self._open:
                self._open[name].stop_listening()
        for name in ("gateway", "callbacks"):
            if name in self._open:
                await self._open.pop(name).stop(_CLOSE_GRACE)

    async def close_admin(self) -> None:
        """Close the admin listener."""
        await self._open.pop("admin").stop(1.0)

    async def _serve(self, name: str, section: Address, handler: Handler) -> None:
        gateway = self._settings.gateway
        limits = Limits(
            field=gateway.headers.field,
            count=gateway.headers.count,
            total=gateway.headers.total,
            head_timeout=gateway.timeouts.headers,
            write_timeout=gateway.timeouts.body_idle,
            connections=section.max_connections,
        )
        address = section.listen
        try:
            self._open[name] = await serve(
                handler,
                name=name,
                host=address.host,
                port=address.port,
                log=self._log,
                answered=partial(self._metrics.answered, name),
                limits=limits,
                reuse_port=self._reuse_port,
                tls=self._tls.get(name),
            )
        except OSError as error:
            raise ConfigError(f"{name}.listen: {address} cannot be opened; {error.strerror or error}") from error


def _tokens(admin: AdminSettings) -> Tokens:
    return Tokens(
        [
            NamedToken(one.name, one.role, read_secret(one.token, one.token_file).get_secret_value())
            for one in admin.tokens
        ]
    )


def accept_rules(settings: Settings, identity: Identity) -> AcceptRules:
    """Gather what reading a request needs."""
    gateway = settings.gateway
    base_url = settings.callbacks.base_url.rstrip("/")
    return AcceptRules(
        identity=identity,
        correlation=gateway.correlation,
        wait=gateway.wait,
        max_wait=gateway.max_wait,
        require_https=settings.webhook.require_https,
        uploads=settings.stores_objects,
        callbacks_url=base_url,
        # The same for all replicas of an installation, and another for the next one.
        marker=sha256(f"async-sidecar\n{base_url}".encode()).hexdigest()[:32],
    )
