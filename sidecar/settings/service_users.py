"""As whom messages are sent to webhooks."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sidecar.model.headers import CONTENT, HOP_BY_HOP, OURS
from sidecar.model.url_prefix import UrlPrefix
from sidecar.settings.addresses import BaseUrl, HeaderName, Url, split_http_url
from sidecar.settings.secrets import FROM_WORDS, require_secret
from sidecar.settings.section import Section
from sidecar.settings.units import SECOND, Duration, lasting


def _check_match(match: str) -> str:
    if match != "*":
        _prefix(match)
    return match


def _check_secure_match(match: str) -> str:
    if match == "*":
        raise ValueError("would send credentials everywhere; name the URL prefix, only type: none may match *")
    if not _prefix(match).secure or not split_http_url(match).path:
        raise ValueError("would send credentials too far; write a prefix like https://host:port/path/")
    return match


def _prefix(match: str) -> UrlPrefix:
    try:
        return UrlPrefix.parse(match)
    except ValueError as error:
        raise ValueError(f"is no beginning of callback-urls: {error}") from error


def _check_token_url(url: str) -> str:
    if split_http_url(url).scheme.lower() != "https":
        raise ValueError("would send secrets in the clear; give the token server's https address")
    return url


def _check_credential_header(name: str) -> str:
    if name in HOP_BY_HOP or name in OURS or name in CONTENT or name.startswith(("webhook-", "x-result-", "x-service")):
        raise ValueError(f"{name} is set by the sidecar itself; choose another header")
    return name


Match = Annotated[str, AfterValidator(_check_match)]
SecureMatch = Annotated[str, AfterValidator(_check_secure_match)]
TokenUrl = Annotated[Url, AfterValidator(_check_token_url)]
Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]  # RFC 6749, section 3.3
CredentialHeader = Annotated[HeaderName, AfterValidator(_check_credential_header)]


class NoUser(Section):
    """No credentials are sent."""

    match: Match
    """Beginning of the callback-urls that this is for, or *."""
    type: Literal["none"]
    """Kind of credentials: none."""


class OAuthClient(Section):
    """A client of an OAuth2 token server."""

    match: SecureMatch
    """Beginning of the callback-urls that this is for: https, host and path."""
    token_url: TokenUrl
    """Where tokens are fetched: https."""
    client_id: str = Field(min_length=1)
    """Client id."""
    client_secret: SecretStr | None = None
    """The client secret itself: for the environment, never for the file."""
    client_secret_file: Path | None = None
    """File that holds the client secret."""
    client_auth: Literal["basic", "body"] = "basic"
    """How the client shows its id and secret: HTTP Basic authentication, or in the request's body."""
    scopes: Annotated[tuple[Scope, ...], FROM_WORDS] = ()
    """Scopes; {worker} becomes the worker's number, so that workers do not revoke each other's tokens."""
    timeout: Annotated[Duration, lasting("100ms", "1m")] = 10 * SECOND
    """Longest time of one request for a token, a duration."""
    proxy: BaseUrl | None = None
    """HTTP proxy for fetching tokens."""
    ca_file: Path | None = None
    """PEM file of the authorities that the token server's certificate is checked against. Unset: the system's."""

    @model_validator(mode="after")
    def _has_client_secret(self) -> Self:
        require_secret("client_secret", self.client_secret, self.client_secret_file)
        return self


class Login(Section):
    """A user name and a password."""

    username: str = Field(min_length=1)
    """User name."""
    password: SecretStr | None = None
    """The password itself: for the environment, never for the file."""
    password_file: Path | None = None
    """File that holds the password."""

    @model_validator(mode="after")
    def _has_password(self) -> Self:
        require_secret("password", self.password, self.password_file)
        return self


class ClientCredentials(OAuthClient):
    """A token by the OAuth2 client credentials grant (RFC 6749, section 4.4)."""

    type: Literal["oauth2_client_credentials"]
    """Kind of credentials: OAuth2 client credentials grant."""


class PasswordGrant(OAuthClient, Login):
    """A token by the OAuth2 password grant (RFC 6749, section 4.3)."""

    type: Literal["oauth2_password"]
    """Kind of credentials: OAuth2 password grant."""


class BasicUser(Login):
    """HTTP Basic authentication (RFC 7617)."""

    match: SecureMatch
    """Beginning of the callback-urls that this is for: https, host and path."""
    type: Literal["basic"]
    """Kind of credentials: user name and password."""


class HeaderUser(Section):
    """A fixed header."""

    match: SecureMatch
    """Beginning of the callback-urls that this is for: https, host and path."""
    type: Literal["header"]
    """Kind of credentials: a fixed header."""
    header: CredentialHeader
    """Name of the header, such as authorization or x-api-key."""
    value: SecretStr | None = None
    """The value itself: for the environment, never for the file."""
    value_file: Path | None = None
    """File that holds the value."""

    @model_validator(mode="after")
    def _has_value(self) -> Self:
        require_secret("value", self.value, self.value_file)
        return self


class CertificateUser(Section):
    """A TLS client certificate."""

    match: SecureMatch
    """Beginning of the callback-urls that this is for: https, host and path."""
    type: Literal["mtls"]
    """Kind of credentials: a TLS client certificate."""
    cert_file: Path
    """PEM file of the certificate and its chain."""
    key_file: Path
    """PEM file of the private key."""


ServiceUser = Annotated[
    NoUser | ClientCredentials | PasswordGrant | BasicUser | HeaderUser | CertificateUser,
    Field(discriminator="type"),
]
