"""Messages to the callers' webhooks: where they may go, how fast, and how they are signed."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, IPvAnyNetwork, model_validator

from sidecar.model.egress import Ports
from sidecar.model.shape import Style
from sidecar.settings.addresses import BaseUrl, PortRanges, Url
from sidecar.settings.secrets import FROM_WORDS, SecretLines
from sidecar.settings.section import Section
from sidecar.settings.service_users import ServiceUser
from sidecar.settings.units import SECOND, Duration, Size, lasting

_SECURE = (Ports(443, 443), Ports(8243, 8243))
_PLAIN = (Ports(80, 80), Ports(8280, 8280))
_HOST_PATTERN = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[?[0-9A-Fa-f:.]+\]?", re.ASCII)


def _check_host(pattern: str) -> str:
    if not _HOST_PATTERN.fullmatch(pattern):
        raise ValueError(f"{pattern!r} is neither a host nor *.suffix; write it like hooks.corp.example")
    return pattern


HostPattern = Annotated[str, AfterValidator(_check_host)]


class WebhookTimeouts(Section):
    """How long one attempt may take."""

    connect: Annotated[Duration, lasting("1ms", "5m")] = 5 * SECOND
    """Longest time to a connection, TLS included, a duration."""
    total: Annotated[Duration, lasting("1ms", "10m")] = 30 * SECOND
    """Longest time of an attempt in all, a duration."""


class WebhookConcurrency(Section):
    """Most attempts at once, of one worker process."""

    total: int = Field(default=200, ge=1)
    """Most attempts at once in all."""
    per_endpoint: int = Field(default=10, ge=1)
    """Most attempts at once to one endpoint."""
    per_host: int = Field(default=50, ge=1)
    """Most attempts at once to one host, because callers choose the paths."""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        given = self.model_fields_set
        for small, large in (("per_endpoint", "per_host"), ("per_host", "total"), ("per_endpoint", "total")):
            if {small, large} <= given and getattr(self, small) > getattr(self, large):
                raise ValueError(f"allows more {small} than {large}; lower {small} or raise {large}")
        return self


class WebhookSigning(Section):
    """Keys that sign messages (Standard Webhooks): shared secrets, Ed25519 keys, or both; each of them signs."""

    secrets: SecretLines | None = None
    """The secrets themselves, whsec_..., newest first: for the environment, never for the file."""
    secrets_file: Path | None = None
    """File with one secret a line, whsec_..., newest first."""
    ed25519_key: SecretLines | None = None
    """The private keys themselves, whsk_..., newest first: for the environment, never for the file."""
    ed25519_key_file: Path | None = None
    """File with one private key a line, whsk_..., newest first."""

    @model_validator(mode="after")
    def _some_key(self) -> Self:
        if not (self.secrets or self.secrets_file or self.ed25519_key or self.ed25519_key_file):
            raise ValueError("needs a key; give secrets_file, ed25519_key_file, or both")
        return self


class WebhookEndpoint(Section):
    """Webhooks that belong together: they share a lane, a name in metrics, and what is said here."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """Name in metrics and logs."""
    match: Url
    """Beginning of the callback-urls that belong to it; the longest match counts."""
    threshold: Size | None = None
    """Largest body that is sent directly, a size, at most database.max_body. Unset: offload.threshold."""
    style: Style | None = None
    """How compressed objects are marked. Unset: offload.style."""
    signing: WebhookSigning | None = None
    """Secrets of this endpoint. Unset: webhook.signing."""


class WebhookSettings(Section):
    """Messages to the callers' webhooks."""

    require_https: bool = True
    """Whether a callback-url must be https."""
    allow_hosts: Annotated[tuple[HostPattern, ...], FROM_WORDS] = ()
    """Hosts that may be called although they are not public, as names or *.suffix."""
    allow_networks: Annotated[tuple[IPvAnyNetwork, ...], FROM_WORDS] = ()
    """Networks that may be called although they are not public, as 10.20.0.0/16.

    Loopback needs an entry within 127.0.0.0/8 or ::1/128.
    """
    deny_networks: Annotated[tuple[IPvAnyNetwork, ...], FROM_WORDS] = ()
    """Networks that may never be called, whatever is allowed; link-local and our own places are always denied."""
    ports: PortRanges = _SECURE
    """Ports that may be called, as 443 or 8000-8999. Where unset, require_https: false opens 80 and 8280 too."""
    proxy: BaseUrl | None = None
    """HTTP proxy for messages to webhooks and for upload-urls; it has to guard itself what it connects to."""
    ca_file: Path | None = None
    """PEM file of authorities that may sign webhooks' certificates, besides the system's."""
    timeouts: WebhookTimeouts = WebhookTimeouts()
    """How long one attempt may take."""
    endpoint_path_segments: int = Field(default=2, ge=0, le=16)
    """How many path segments tell endpoints of one host apart; 2 are an API's context and version in WSO2."""
    concurrency: WebhookConcurrency = WebhookConcurrency()
    """Most attempts at once."""
    endpoints: tuple[WebhookEndpoint, ...] = ()
    """Endpoints with a name and rules of their own."""
    service_users: tuple[ServiceUser, ...] = ()
    """As whom messages are sent; the longest match counts, and without one no credentials are sent."""
    signing: WebhookSigning | None = None
    """Secrets that sign messages. Unset: messages are not signed."""

    @property
    def open_ports(self) -> tuple[Ports, ...]:
        """The ports that may be called."""
        given = "ports" in self.model_fields_set or self.require_https
        return self.ports if given else _SECURE + _PLAIN
