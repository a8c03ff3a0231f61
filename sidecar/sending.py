"""How calls and messages go out, made of the settings: for the stages, and for trying a webhook."""

import ssl
import time
from collections.abc import Callable
from functools import partial

import aiohttp

from sidecar.deliver.decide import SilenceRule
from sidecar.deliver.exchange import Exchange
from sidecar.model.endpoint import EndpointRule, NamedEndpoint
from sidecar.outbound.egress import Egress, Guarded
from sidecar.outbound.make_users import MAX_WEBHOOK_RESPONSE, Surroundings, make_service_users
from sidecar.outbound.requests import send
from sidecar.outbound.service_users import ServiceUsers
from sidecar.outbound.sessions import service_session, upload_session, webhook_session
from sidecar.outbound.signing import Signatures
from sidecar.settings.root import Settings
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing


def open_webhooks(settings: Settings, egress: Egress, tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Open a session to webhooks; one that shows a client certificate (``tls``) is that service user's own."""
    webhook = settings.webhook
    return webhook_session(
        connect_timeout=webhook.timeouts.connect,
        per_host=webhook.concurrency.per_host,
        total=webhook.concurrency.total,
        ca_file=webhook.ca_file,
        tls=tls,
        proxy=webhook.proxy,
        dialling=egress.ways(connect_timeout=webhook.timeouts.connect),
    )


def open_services(settings: Settings) -> aiohttp.ClientSession:
    """Open the session to services."""
    services = settings.services
    return service_session(
        connect_timeout=services.timeouts.connect,
        per_host=services.concurrency,
        ca_file=services.ca_file,
        proxy=services.proxy,
    )


def open_uploads(settings: Settings, egress: Egress) -> aiohttp.ClientSession:
    """Open the session to callers' own upload-urls."""
    webhook = settings.webhook
    return upload_session(
        connect_timeout=webhook.timeouts.connect,
        ca_file=webhook.ca_file,
        proxy=webhook.proxy,
        dialling=egress.ways(connect_timeout=webhook.timeouts.connect),
    )


def make_users(
    settings: Settings, egress: Egress, *, worker: Callable[[], int], log: EventLog, metrics: Metrics
) -> ServiceUsers:
    """Make the service users; ``worker`` tells the process's number in the ledger.

    Raises:
        ConfigError: A secret or a certificate cannot be read; it names which.
    """
    around = surroundings(settings, egress, worker=worker, log=log, metrics=metrics)
    return make_service_users(settings.webhook.service_users, around)


def surroundings(
    settings: Settings, egress: Egress, *, worker: Callable[[], int], log: EventLog, metrics: Metrics
) -> Surroundings:
    """Gather what service users need of the process."""
    return Surroundings(
        open_session=partial(open_webhooks, settings, egress),
        ca_file=settings.webhook.ca_file,
        worker=worker,
        log=log,
        metrics=metrics,
    )


def make_endpoints(settings: Settings) -> EndpointRule:
    """Tell which endpoint a callback-url belongs to."""
    webhook = settings.webhook
    named = [NamedEndpoint(rule.name, rule.match) for rule in webhook.endpoints]
    return EndpointRule(named, segments=webhook.endpoint_path_segments)


def make_exchange(
    settings: Settings,
    *,
    session: aiohttp.ClientSession,
    guard: Guarded,
    signatures: Signatures,
    users: ServiceUsers,
    may_act: Callable[[int], bool],
    endpoints: EndpointRule,
    log: EventLog,
    metrics: Metrics,
    clock: Callable[[], float] = time.time,
    tracing: Tracing | None = None,
) -> Exchange:
    """Make what sends one message once."""
    webhook, retry = settings.webhook, settings.retry
    return Exchange(
        send=partial(send, session, method="POST", max_response=MAX_WEBHOOK_RESPONSE),
        guard=guard,
        signatures=signatures,
        users=users,
        may_act=may_act,
        silence=SilenceRule(statuses=frozenset(retry.statuses), wso2_faults=retry.wso2_faults),
        timeout=webhook.timeouts.total,
        longest_wait=retry.give_up_after,
        label_of=endpoints.label_of,
        clock=clock,
        log=log,
        metrics=metrics,
        tracing=tracing,
    )
