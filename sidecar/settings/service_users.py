"""As whom messages are sent to webhooks."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sidecar.settings.addresses import BaseUrl, HeaderName, Url, split_http_url
from sidecar.settings.secrets import FROM_WORDS, require_secret
from sidecar.settings.section import Section


def _check_match(match: str) -> str:
    if match != "*":
        split_http_url(match)
    return match


def _check_secure_match(match: str) -> str:
    if match == "*":
        raise ValueError("would send credentials everywhere; name the URL prefix, only type: none may match *")
    parts = split_http_url(match)
    if parts.scheme.lower() != "https" or not parts.path:
        raise ValueError("would send credentials too far; write a prefix like https://host:port/path/")
    return match


Match = Annotated[str, AfterValidator(_check_match)]
SecureMatch = Annotated[str, AfterValidator(_check_secure_match)]


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
    token_url: Url
    """Where tokens are fetched."""
    client_id: str = Field(min_length=1)
    """Client id."""
    client_secret: SecretStr | None = None
    """The client secret itself: for the environment, never for the file."""
    client_secret_file: Path | None = None
    """File that holds the client secret."""
    scopes: Annotated[tuple[str, ...], FROM_WORDS] = ()
    """Scopes; {worker} becomes the worker's number, so that workers do not revoke each other's tokens."""
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
    header: HeaderName
    """Name of the header."""
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
