"""The listener that the gateway calls: limits, times, and how the gateway shows who it is."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sidecar.settings.addresses import BaseUrl, HeaderName, HostPort, ListenAddress, split_http_url
from sidecar.settings.secrets import FROM_WORDS, SecretLines, require_secret
from sidecar.settings.section import Section
from sidecar.settings.tls import ListenerTls
from sidecar.settings.units import GIB, HOUR, KIB, MIB, MINUTE, SECOND, Duration, Size, lasting, sized


def _check_secure_url(url: str) -> str:
    if split_http_url(url).scheme.lower() != "https":
        raise ValueError("would believe whatever keys somebody on the way sends; use https, with ca_file where needed")
    return url


SecureUrl = Annotated[str, AfterValidator(_check_secure_url)]


class NoIdentity(Section):
    """Every client of the gateway listener is believed: only behind a network policy that lets the gateway alone in."""

    type: Literal["none"]
    """How the gateway identifies itself: here not at all."""


class SharedSecret(Section):
    """The gateway sends a secret header."""

    type: Literal["shared_secret"]
    """How the gateway identifies itself: by a header with a secret value."""
    header: HeaderName = "x-sidecar-key"
    """Name of the header that carries the secret."""
    secret: SecretLines | None = None
    """The secret itself: for the environment, never for the file."""
    secret_file: Path | None = None
    """File that holds the secret; while it is changed, the new and the old one, a line each."""

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        require_secret("secret", self.secret, self.secret_file)
        return self


class ClientCertificate(Section):
    """The gateway shows a client certificate."""

    type: Literal["mtls"]
    """How the gateway identifies itself: by its TLS client certificate."""
    names: Annotated[tuple[str, ...], FROM_WORDS] = ()
    """Names of which the certificate must bear one: a host name or URI as alternative name, or CN=common name.

    Without any, every certificate of gateway.tls.client_ca_file is the gateway's.
    """

    @property
    def known_names(self) -> frozenset[str]:
        """The names as certificates bear them: host names in lower case."""
        return frozenset(name if name.startswith("CN=") or ":" in name else name.lower() for name in self.names)


class BackendJwt(Section):
    """The gateway sends the backend JWT that WSO2 signs."""

    type: Literal["wso2_jwt"]
    """How the gateway identifies itself: by a signed JWT for backends."""
    header: HeaderName = "x-jwt-assertion"
    """Name of the header that carries the JWT."""
    jwks_url: SecureUrl
    """Where the gateway's public keys are (JWKS, RFC 7517), by https."""
    issuer: str = Field(min_length=1)
    """The issuer (``iss``) that the JWT must name."""
    dialect: str = "http://wso2.org/claims"
    """What stands, with a slash, in front of the names of WSO2's claims (``apim.jwt.claim_dialect``)."""
    application_claim: str = Field(default="applicationid", min_length=1)
    """The claim of the dialect that tells applications apart; their names are not unique among subscribers."""
    leeway: Annotated[Duration, lasting("0s", "10m")] = MINUTE
    """By how much the gateway's clock may differ, a duration."""
    refresh: Annotated[Duration, lasting("10s", "1d")] = 5 * MINUTE
    """How often the keys are read anew, a duration; a key that is not known makes it happen sooner."""
    ca_file: Path | None = None
    """PEM file of authorities that the server of the keys is checked against, besides the system's."""
    proxy: BaseUrl | None = None
    """HTTP proxy for reading the keys."""


Identity = Annotated[NoIdentity | SharedSecret | ClientCertificate | BackendJwt, Field(discriminator="type")]


class HeaderLimits(Section):
    """Limits of a request's header section; beyond them the answer is 431."""

    count: int = Field(default=128, ge=16, le=1000)
    """Most header fields of one request."""
    field: Annotated[Size, sized("1KiB", "1MiB")] = 32 * KIB
    """Largest single header field, a size; backend JWTs of WSO2 are large."""
    total: Annotated[Size, sized("1KiB", "8MiB")] = 64 * KIB
    """Largest header section in all, a size."""


class GatewayTimeouts(Section):
    """How long a client may take to send its request."""

    headers: Annotated[Duration, lasting("10ms", "10m")] = 10 * SECOND
    """Longest time from the first moment to the end of the headers, a duration."""
    body_idle: Annotated[Duration, lasting("10ms", "10m")] = 30 * SECOND
    """Longest pause between two pieces of a body, and of a client in taking its answer, a duration."""
    body: Annotated[Duration, lasting("10ms", "24h")] = 5 * MINUTE
    """Longest time of one request body in all, a duration."""


class PerApplication(Section):
    """Limits of one application; beyond them the answer is 429."""

    running_jobs: int | None = Field(default=1000, ge=1)
    """Most jobs with a call or a message that has not ended, over all replicas; null is no limit."""
    stored: Annotated[Size, sized("1KiB", "1024TiB")] | None = 10 * GIB
    """Most bytes that such jobs take, as they are stored in Postgres and the object store, a size; null likewise."""
    requests_per_second: float | None = Field(default=100, gt=0, le=1_000_000)
    """Most requests in a second to one process, however many processes there are; null likewise."""


class GatewaySettings(Section):
    """The listener that the gateway calls."""

    listen: ListenAddress = HostPort("0.0.0.0", 8080)  # noqa: S104 - a container serves its network; policies narrow it
    """Address to listen on, host:port."""
    public_url: BaseUrl | None = None
    """The gateway as callers see it; links in answers are this and the API's context. Unset: links are paths."""
    identity: Identity
    """How the gateway identifies itself; there is no default, because ``none`` must be written to be meant."""
    wait: Annotated[Duration, lasting("0s", "2m")] = 2 * SECOND
    """How long an answer waits for acknowledgements without ``prefer: wait``, a duration."""
    max_wait: Annotated[Duration, lasting("0s", "2m")] = 5 * SECOND
    """Longest wait that ``prefer: wait`` may ask for, a duration; keep it well under the gateway's own time-outs."""
    max_body: Annotated[Size, sized("1B", "5TiB")] = 100 * MIB
    """Largest request body, a size; see also database.max_body."""
    headers: HeaderLimits = HeaderLimits()
    """Limits of the header section."""
    timeouts: GatewayTimeouts = GatewayTimeouts()
    """How long a client may take to send."""
    idempotency_ttl: Annotated[Duration, lasting("1s", "30d")] = 24 * HOUR
    """How long an idempotency key is kept, a duration from accept."""
    correlation: Annotated[tuple[HeaderName, ...], FROM_WORDS] = ("x-correlation-id", "activityid")
    """Headers that may carry the correlation id; the first one present counts."""
    per_application: PerApplication = PerApplication()
    """Limits of one application."""
    max_pending: int = Field(default=5000, ge=1)
    """Most requests under way at once; beyond them the answer is 503."""
    max_connections: int = Field(default=4096, ge=1)
    """Most connections at once to one process; beyond them the answer is 503, and the connection ends."""
    tls: ListenerTls | None = None
    """TLS of this listener. Unset: it speaks plain HTTP."""
    max_in_flight_bytes: Annotated[Size, sized("1MiB", "1TiB")] = 64 * MIB
    """Most bytes of bodies in memory at once, on each listener and for calls under way, a size; beyond them 503."""
