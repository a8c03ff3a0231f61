"""Callers' credentials in the database."""

from pathlib import Path

from sidecar.settings.addresses import HeaderName
from sidecar.settings.secrets import SecretLines
from sidecar.settings.section import Section

CREDENTIALS = (
    "authorization",
    "cookie",
    "x-jwt-assertion",
    "apikey",
    "api-key",
    "api_key",
    "x-api-key",
    "internal-key",
    "x-auth-token",
    "x-access-token",
    "x-amz-security-token",
)
"""What holds credentials, by common use; the gateway's own key goes no further than to us."""


class SealingSettings(Section):
    """Callers' credentials in the database: sealed while a service may still have to be called, then removed."""

    keys: SecretLines | None = None
    """The keys themselves, seal_..., newest first: for the environment, never for the file."""
    keys_file: Path | None = None
    """File with one key a line, seal_ and 32 bytes in base64, newest first. Unset: made of callbacks.token_secrets."""
    headers: tuple[HeaderName, ...] = CREDENTIALS
    """Names of the request headers that hold credentials."""
