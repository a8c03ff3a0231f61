"""Behind ``sidecar webhook check``: one question after the other, as a message would meet them."""

import io
import ssl
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from uuid import uuid4

from cryptography import x509

from sidecar.cli.webhook_tls import SOON, connection
from sidecar.cli.webhook_words import CREDENTIALS, REFUSALS, verdict
from sidecar.deliver.content import Content
from sidecar.model.callback_url import WebhookUrl, parse_webhook_url
from sidecar.model.delivery import Delivery
from sidecar.model.egress import Address, Refusal
from sidecar.model.errors import ConfigError
from sidecar.model.messages import JSON_HEADERS
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.url_prefix import UrlPrefix, leads_astray
from sidecar.offload.check import Finding
from sidecar.outbound.certificates import client_context
from sidecar.outbound.egress import Guarded, make_egress, refusal_teller
from sidecar.outbound.grant import NotGranted
from sidecar.outbound.make_users import make_service_user
from sidecar.outbound.service_users import Place, ServiceUsers
from sidecar.outbound.sessions import trusting
from sidecar.outbound.signing import Signatures, make_signatures
from sidecar.outbound.token_server import TokenServer
from sidecar.outbound.users import ServiceUser as Sender
from sidecar.sending import make_endpoints, make_exchange, open_webhooks, surroundings
from sidecar.settings.root import Settings
from sidecar.settings.service_users import CertificateUser, ClientCredentials, PasswordGrant, ServiceUser
from sidecar.settings.units import render_duration
from sidecar.telemetry.log import make_log
from sidecar.telemetry.metrics import Metrics

SHORT = 60.0
"""Seconds; a token that lives shorter is fetched very often."""

MESSAGE = (
    b'{"type": "webhook_check", "text": "A test of `sidecar webhook check --send`. Nothing has to be done about it."}'
)


class WebhookProbe:
    """Asks all questions about one callback-url.

    Args:
        settings: The settings.
        fetch: Whether to fetch a token.
        send: Whether to send a test message.
    """

    def __init__(self, settings: Settings, *, fetch: bool, send: bool) -> None:
        self._settings = settings
        self._fetch = fetch
        self._send = send
        self._found: list[Finding] = []
        self._refused = False  # by the egress guard
        self._egress = make_egress(settings)
        self._log, self._metrics = make_log("json", "error", io.BytesIO()), Metrics()

    async def run(self, text: str) -> list[Finding]:
        """Ask, and stop early where nothing more can be learned."""
        try:
            url = parse_webhook_url(text)
        except ValueError as error:
            self._fail("callback-url", f"{error}; requests with it get 400", "correct the callback-url")
            return self._found
        try:
            await self._ask(url)
        finally:
            await self._egress.names.stop()
        return self._found

    async def _ask(self, url: WebhookUrl) -> None:
        usable = self._form(url)
        self._endpoint(url)
        addresses = await self._addresses(url)
        user = self._service_user(url)
        reached = await self._connection(url, user, addresses) if addresses else False
        ready = user is None or await self._credentials(user)
        signatures = await self._signing(url)
        if not self._send:
            self._ok("message", "none was sent; --send sends a test message")
        elif usable and ready and signatures and (reached or (self._settings.webhook.proxy and not self._refused)):
            await self._message(url, user, signatures)
        else:
            self._warn("message", "the test message was not sent", "mend first what has failed above")

    def _form(self, url: WebhookUrl) -> bool:
        if url.scheme == "http" and self._settings.webhook.require_https:
            remedy = "use https, or set webhook.require_https: false"
            self._fail("callback-url", "it is http, and webhook.require_https is set; requests with it get 403", remedy)
            return False
        self._ok("callback-url", f"usable; {url.scheme} to {url.host}, port {url.port}")
        return True

    def _endpoint(self, url: WebhookUrl) -> None:
        rule = make_endpoints(self._settings)
        endpoint = rule.endpoint_of(url)
        name = rule.label_of(endpoint)
        segments = self._settings.webhook.endpoint_path_segments
        how = f"the first {segments} path segments" if name == "other" else f"webhook.endpoints, name {name}"
        self._ok("endpoint", f"{endpoint}  (by {how}): it shares lane and circuit with all that begins so")

    async def _addresses(self, url: WebhookUrl) -> list[Address]:
        """Ask the egress guard, and the system for the name's addresses; none where nothing may be dialled."""
        await self._egress.own.run_once()
        refusal = await self._egress.refusal(url)
        if isinstance(refusal, Refusal):
            self._refused = True
            self._fail("egress", f"may not be called: {refusal.reason}, {refusal.detail}", REFUSALS[refusal.reason])
            return []
        if proxy := self._settings.webhook.proxy:
            self._ok("egress", f"may be called, through the proxy {proxy}; its name and its TLS are seen there")
            return []
        self._ok("egress", "may be called")
        with suppress(ValueError):
            return [ip_address(url.host.strip("[]"))]
        within = self._settings.webhook.timeouts.connect
        answer = await self._egress.names.find(url.host, within=within)
        if not answer.addresses:
            text = f"{url.host} has no address, or none was told within {render_duration(within)}"
            self._fail("DNS", text, "check the name, and the resolver of this machine; messages would be sent again")
            return []
        self._ok("DNS", f"{url.host} is {', '.join(map(str, answer.addresses))}")
        return list(answer.addresses)

    def _service_user(self, url: WebhookUrl) -> ServiceUser | None:
        named = [
            (UrlPrefix.parse(user.match), user) for user in self._settings.webhook.service_users if user.match != "*"
        ]
        covering = [(prefix, user) for prefix, user in named if prefix.covers(url)]
        if covering:
            prefix, user = max(covering, key=lambda found: len(found[0].path))
            self._ok("service user", f"{user.type}, by the match {prefix.text}")
            return user
        text = "none matches, so that nothing is shown"
        if leads_astray(url.path):
            self._warn("service user", text, "dot segments and encoded slashes are outside every match")
            return None
        same = [prefix.text for prefix, _ in named if prefix.origin.split("://")[1] == url.origin.split("://")[1]]
        near = f"; at this host there is {', '.join(same)}" if same else ""
        self._ok("service user", text + near)
        return None

    async def _connection(self, url: WebhookUrl, user: ServiceUser | None, addresses: list[Address]) -> bool:
        try:
            context = self._context(user) if url.scheme == "https" else None
        except ConfigError as error:
            self._fail("connection", str(error), "mend webhook.ca_file, or the service user's files")
            return False
        finding = await connection(url, addresses, context, within=self._settings.webhook.timeouts.connect)
        self._found.append(finding)
        return finding.level != "fail"

    def _context(self, user: ServiceUser | None) -> ssl.SSLContext:
        ca_file = self._settings.webhook.ca_file
        if isinstance(user, CertificateUser):
            return client_context(user.cert_file, user.key_file, ca_file=ca_file)
        return trusting(ca_file)

    async def _credentials(self, user: ServiceUser) -> bool:
        """Try what the service user has; tells whether a message could be sent as it."""
        try:
            if isinstance(user, CertificateUser):
                return self._certificate(user)
            if isinstance(user, ClientCredentials | PasswordGrant):
                return await self._token(user) if self._fetch else True
            await self._made(user).close()
        except ConfigError as error:
            self._fail("credentials", str(error), "mend the file; the sidecar does not start without it")
            return False
        if user.type != "none":
            self._ok("credentials", "its secret can be read")
        return True

    def _certificate(self, user: CertificateUser) -> bool:
        client_context(user.cert_file, user.key_file, ca_file=None)
        certificate = x509.load_pem_x509_certificate(user.cert_file.read_bytes())
        ends = certificate.not_valid_after_utc
        text = f"a certificate for {certificate.subject.rfc4514_string()} until {ends:%Y-%m-%d}"
        left = ends - datetime.now(UTC)
        if left < timedelta():
            self._fail("credentials", f"{text}: it is over", "renew it; the sidecar takes the new files over by itself")
        elif left < SOON:
            self._warn("credentials", text, "it ends soon: renew it; the sidecar takes the new files over by itself")
        else:
            self._ok("credentials", text)
        return left >= timedelta()

    async def _token(self, user: ClientCredentials | PasswordGrant) -> bool:
        server = TokenServer(user, worker=lambda: 0)
        began = time.monotonic()
        try:
            granted = await server.fetch()
        finally:
            await server.close()
        took = f"after {time.monotonic() - began:.1f} s"
        if isinstance(granted, NotGranted):
            text = f"no token from {user.token_url}: {granted.text}  ({granted.reason})"
            self._fail("token", text, CREDENTIALS[granted.reason])
            return False
        if granted.lifetime is None:
            self._ok("token", f"issued {took}; it does not say how long it lives, so it is renewed every 5 minutes")
        elif granted.lifetime < SHORT:
            remedy = "let the key manager issue longer ones; each replica fetches one in that time"
            self._warn("token", f"issued {took}, for {granted.lifetime:g} s only", remedy)
        else:
            self._ok("token", f"issued {took}, for {render_duration(granted.lifetime)}")
        if not any("{worker}" in scope for scope in user.scopes):
            remedy = "add device_{worker} to its scopes: a WSO2 key manager revokes the older token of the same scopes"
            self._warn("token", "no scope names the worker, so that replicas may revoke each other's token", remedy)
        return True

    async def _signing(self, url: WebhookUrl) -> Signatures | None:
        """Read the keys that sign its messages."""
        try:
            signatures = make_signatures(self._settings.webhook, make_endpoints(self._settings), log=self._log)
        except ConfigError as error:
            self._fail("signature", str(error), "mend the file; the sidecar does not start without it")
            return None
        header = await signatures.header(url.text, message_id="check", timestamp=0, body=b"")
        versions = [one.partition(",")[0] for one in (header or "").split()]
        self._ok("signature", f"messages are signed: {', '.join(versions)}" if versions else "messages are not signed")
        return signatures

    def _made(self, user: ServiceUser) -> Sender:
        around = surroundings(self._settings, self._egress, worker=lambda: 0, log=self._log, metrics=self._metrics)
        return make_service_user(user, around)

    async def _message(self, url: WebhookUrl, user: ServiceUser | None, signatures: Signatures) -> None:
        """Send a test message in the very way of real ones."""
        log, metrics = self._log, self._metrics
        endpoints = make_endpoints(self._settings)
        async with AsyncExitStack() as stack:
            places = [] if user is None else [Place(UrlPrefix.parse(user.match), self._made(user))]
            users = ServiceUsers(places)
            stack.push_async_callback(users.close)
            session = await stack.enter_async_context(open_webhooks(self._settings, self._egress))
            exchange = make_exchange(
                self._settings,
                session=session,
                guard=Guarded(self._egress, told=refusal_teller(log=log, metrics=metrics)),
                signatures=signatures,
                users=users,
                may_act=lambda _: True,
                endpoints=endpoints,
                log=log,
                metrics=metrics,
            )
            message = test_message(url, endpoints.endpoint_of(url))
            attempt = await exchange.post(message, Content(MessageKind.DIRECT, JSON_HEADERS, MESSAGE))
        self._found.append(verdict(attempt))

    def _ok(self, topic: str, text: str) -> None:
        self._found.append(Finding("ok", topic, text))

    def _warn(self, topic: str, text: str, remedy: str) -> None:
        self._found.append(Finding("warn", topic, text, remedy))

    def _fail(self, topic: str, text: str, remedy: str) -> None:
        self._found.append(Finding("fail", topic, text, remedy))


def test_message(url: WebhookUrl, endpoint: str) -> Delivery:
    """Make a message of no job."""
    return Delivery(
        job_id=uuid4(),
        service="webhook-check",
        worker=0,
        claim=0,
        kind=MessageKind.DIRECT,
        status=ResultStatus.SUCCEEDED,
        endpoint=endpoint,
        attempts=0,
        callback_url=url.text,
        correlation_id="sidecar-webhook-check",
        route="",
        traceparent=None,
        services_total=1,
        headers=JSON_HEADERS,
        body=MESSAGE,
    )
