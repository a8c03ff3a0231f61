"""The listener for operators, probes and metrics."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from sidecar.settings.addresses import HostPort, ListenAddress
from sidecar.settings.secrets import FROM_WORDS, require_secret
from sidecar.settings.section import Section
from sidecar.settings.tls import ListenerTls


class AdminToken(Section):
    """A named bearer token."""

    name: str = Field(min_length=1, max_length=64)
    """Who uses it: the audit names it."""
    role: Literal["viewer", "operator"]
    """viewer may look, operator may also act."""
    token: SecretStr | None = None
    """The token itself: for the environment, never for the file."""
    token_file: Path | None = None
    """File that holds the token."""

    @model_validator(mode="after")
    def _has_token(self) -> Self:
        require_secret("token", self.token, self.token_file)
        return self


class AdminSettings(Section):
    """The listener for operators, probes and metrics."""

    listen: ListenAddress = HostPort("0.0.0.0", 8082)  # noqa: S104 - a container serves its network; policies narrow it
    """Address to listen on, host:port."""
    open: Annotated[tuple[Literal["/livez", "/readyz", "/metrics"], ...], FROM_WORDS] = (
        "/livez",
        "/readyz",
        "/metrics",
    )
    """Paths that need no token."""
    tokens: tuple[AdminToken, ...] = ()
    """Bearer tokens that open everything else."""
    max_connections: int = Field(default=256, ge=1)
    """Most connections at once to one process; beyond them the answer is 503, and the connection ends."""
    tls: ListenerTls | None = None
    """TLS of this listener. Unset: it speaks plain HTTP."""

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [token.name for token in self.tokens]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tokens: {twice[0]} is there twice; give each a name of its own, the audit keeps it")
        return self
