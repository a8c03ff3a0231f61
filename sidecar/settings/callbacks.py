"""The listener that services call back."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from sidecar.settings.addresses import BaseUrl, HostPort, ListenAddress
from sidecar.settings.secrets import SecretLines, require_secret
from sidecar.settings.section import Section
from sidecar.settings.tls import ListenerTls
from sidecar.settings.units import GIB, HOUR, Duration, Size, lasting, sized


class CallbackSettings(Section):
    """The listener that services call back."""

    listen: ListenAddress = HostPort("0.0.0.0", 8081)  # noqa: S104 - a container serves its network; policies narrow it
    """Address to listen on, host:port."""
    base_url: BaseUrl
    """This listener as the services see it: every callback-url begins with it."""
    max_body: Annotated[Size, sized("1B", "5TiB")] = 5 * GIB
    """Largest callback body, a size; see also database.max_body."""
    body_timeout: Annotated[Duration, lasting("10ms", "24h")] = HOUR
    """Longest time that one callback body may take in all, a duration."""
    max_connections: int = Field(default=4096, ge=1)
    """Most connections at once to one process; beyond them the answer is 503, and the connection ends."""
    tls: ListenerTls | None = None
    """TLS of this listener. Unset: it speaks plain HTTP."""
    token_secrets: SecretLines | None = None
    """The secrets themselves, newest first: for the environment, never for the file."""
    token_secrets_file: Path | None = None
    """File with one secret a line, newest first: they sign the callback addresses.

    Keep an old secret for as long as the longest deadline.
    """

    @model_validator(mode="after")
    def _has_secrets(self) -> Self:
        require_secret("token_secrets", self.token_secrets, self.token_secrets_file)
        return self
