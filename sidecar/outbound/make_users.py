"""Service users, made of their settings."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from sidecar.model.errors import ConfigError
from sidecar.model.reasons import OwnReason
from sidecar.model.url_prefix import UrlPrefix
from sidecar.outbound.certificates import CertificatePool
from sidecar.outbound.grant import NotGranted, basic
from sidecar.outbound.service_users import Place, ServiceUsers
from sidecar.outbound.token_server import TokenServer
from sidecar.outbound.tokens import SPACING, TokenSource
from sidecar.outbound.users import Anonymous, CertificateUser, HeaderUser, ServiceUser, TokenUser, Told
from sidecar.settings import service_users as given
from sidecar.settings.secrets import LiveSecret
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

MAX_WEBHOOK_RESPONSE = 4096
"""Bytes of a webhook's answer that are read: enough to see a gateway's fault code."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What service users need of the process.

    ``open_session`` opens a session to webhooks that shows a client certificate. ``ca_file`` holds the authorities
    that webhooks' certificates are checked against, besides the system's. ``worker`` tells the process's number in the
    ledger.
    """

    open_session: Callable[[ssl.SSLContext], aiohttp.ClientSession]
    ca_file: Path | None
    worker: Callable[[], int]
    log: EventLog
    metrics: Metrics
    token_spacing: float = SPACING  # seconds between two requests for one user's token


def make_service_users(settings: Sequence[given.ServiceUser], around: Surroundings) -> ServiceUsers:
    """Make all service users.

    Raises:
        ConfigError: A secret or a certificate cannot be read; it names which.
    """
    places: list[Place] = []
    for index, user in enumerate(settings):
        if user.match == "*":
            continue  # only type none may say so, and without a user nothing is shown either
        try:
            places.append(Place(UrlPrefix.parse(user.match), make_service_user(user, around)))
        except ConfigError as error:
            raise ConfigError(f"webhook.service_users[{index}]: {error}") from error
    return ServiceUsers(places)


def make_service_user(user: given.ServiceUser, around: Surroundings) -> ServiceUser:
    """Make one service user.

    Raises:
        ConfigError: A secret or a certificate cannot be read.
    """
    told = partial(_tell, around, user.match)
    if isinstance(user, given.BasicUser):
        secret = LiveSecret(user.password, user.password_file)
        return HeaderUser("authorization", secret, render=partial(basic, user.username), told=told, kind=user.type)
    if isinstance(user, given.HeaderUser):
        return HeaderUser(user.header, LiveSecret(user.value, user.value_file), render=str, told=told, kind=user.type)
    if isinstance(user, given.CertificateUser):
        pool = CertificatePool(
            cert_file=user.cert_file,
            key_file=user.key_file,
            ca_file=around.ca_file,
            open_session=around.open_session,
            max_response=MAX_WEBHOOK_RESPONSE,
        )
        return CertificateUser(pool, told=told)
    if isinstance(user, given.ClientCredentials | given.PasswordGrant):
        return _token_user(user, around, told)
    return Anonymous()


def _token_user(user: given.ClientCredentials | given.PasswordGrant, around: Surroundings, told: Told) -> TokenUser:
    def fetched(trouble: NotGranted | None) -> None:
        around.metrics.token_fetched(None if trouble is None else trouble.reason)
        if trouble is not None:
            told(trouble.reason, trouble.text)

    server = TokenServer(user, worker=around.worker)
    return TokenUser(
        TokenSource(server.fetch, told=fetched, spacing=around.token_spacing), kind=user.type, close_server=server.close
    )


def _tell(around: Surroundings, match: str, reason: OwnReason, why: str) -> None:
    around.log.warning(Event.CREDENTIALS_UNAVAILABLE, service_user=match, reason=reason, why=why)
