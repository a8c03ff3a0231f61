"""A key manager and webhooks over real TLS, and the way of messages to them as service users."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sidecar.deliver.content import Content
from sidecar.deliver.decide import PutOff, SilenceRule
from sidecar.deliver.ends import Attempt
from sidecar.deliver.exchange import Exchange
from sidecar.dev.ports import free_port
from sidecar.model.callback_url import parse_webhook_url
from sidecar.model.endpoint import EndpointRule
from sidecar.model.outcome import MessageKind
from sidecar.outbound.egress import Guarded, make_egress
from sidecar.outbound.make_users import Surroundings, make_service_users
from sidecar.outbound.requests import send
from sidecar.outbound.service_users import ServiceUsers
from sidecar.outbound.sessions import webhook_session
from sidecar.outbound.signing import Signatures
from sidecar.settings.service_users import ServiceUser
from sidecar.telemetry.metrics import Metrics
from tests.acceptance.harness.guarded import GuardedWebhooks, bearer
from tests.acceptance.harness.key_manager import CLIENT, PASSWORD, SECRET, USER, KeyManager
from tests.acceptance.harness.tls import Authority
from tests.unit.builders import Lines, make_delivery
from tests.unit.settings.builders import make_settings

CONTENT = Content(MessageKind.DIRECT, b"content-type: application/json", b"{}")


class Site:
    """A key manager, webhooks, and the way of messages to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.key_manager = KeyManager(free_port(), self.authority.server())
        self.webhooks = GuardedWebhooks(free_port(), self.authority.server())
        self.lines = Lines()
        self.metrics = Metrics()
        self.worker = 7
        self.spacing = 10.0
        self.egress = make_egress(
            make_settings(webhook__allow_networks=["127.0.0.0/8", "::1/128"], webhook__ports=["1-65535"])
        )
        self._open: list[Callable[[], Any]] = []

    def exchange(self, *users: dict[str, Any]) -> tuple[Exchange, ServiceUsers]:
        dialling = self.egress.ways(connect_timeout=60)
        opened = partial(
            webhook_session, connect_timeout=60, per_host=9, ca_file=self.authority.ca_file, dialling=dialling
        )
        around = Surroundings(
            open_session=lambda tls: opened(tls=tls),
            ca_file=self.authority.ca_file,
            worker=lambda: self.worker,
            log=self.lines.log,
            metrics=self.metrics,
            token_spacing=self.spacing,
        )
        parsed = [TypeAdapter(ServiceUser).validate_python(self.complete(user)) for user in users]
        made = make_service_users(parsed, around)
        session = opened()
        self._open += [made.close, session.close]
        exchange = Exchange(
            send=partial(send, session, method="POST", max_response=4096),
            guard=Guarded(self.egress, told=lambda *_: None),
            signatures=Signatures(None, endpoints=EndpointRule()),
            users=made,
            may_act=lambda _: True,
            silence=SilenceRule(),
            timeout=60,
            longest_wait=60,
            label_of=lambda _: "other",
            log=self.lines.log,
            metrics=self.metrics,
        )
        return exchange, made

    def complete(self, user: dict[str, Any]) -> dict[str, Any]:
        """Add what users of a kind have in common."""
        user = {"match": f"{self.webhooks.url}/crm/1.0/", **user}
        if user["type"].startswith("oauth2"):
            common = {"token_url": self.key_manager.token_url, "ca_file": str(self.authority.ca_file)}
            user = {"client_id": CLIENT, "client_secret_file": str(self.file("client", SECRET)), **common, **user}
        if user["type"] in {"oauth2_password", "basic"}:
            user = {"username": USER, "password_file": str(self.file("password", PASSWORD)), **user}
        return user

    def file(self, name: str, content: str) -> Path:
        path = self.directory / name
        path.write_text(content + "\n")
        return path

    async def close(self) -> None:
        for close in self._open:
            await close()


@asynccontextmanager
async def open_site(directory: Path) -> AsyncIterator[Site]:
    opened = Site(directory)
    await opened.key_manager.start()
    await opened.webhooks.start()
    opened.webhooks.checks["/crm/1.0/"] = bearer(opened.key_manager)
    try:
        yield opened
    finally:
        await opened.close()
        await opened.webhooks.stop()
        await opened.key_manager.stop()


async def post(exchange: Exchange, url: str) -> Attempt | PutOff:
    endpoint = EndpointRule().endpoint_of(parse_webhook_url(url))
    return await exchange.post(make_delivery(callback_url=url, endpoint=endpoint), CONTENT)


def outcome(attempt: Attempt | PutOff) -> object:
    return attempt.decision if isinstance(attempt, Attempt) else attempt
