"""How services are called, whichever route calls them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sidecar.settings.addresses import BaseUrl
from sidecar.settings.section import Section
from sidecar.settings.units import SECOND, Duration, lasting


class ServiceTimeouts(Section):
    """Time-outs that all services share; each service's own stand in its route."""

    connect: Annotated[Duration, lasting("1ms", "5m")] = 5 * SECOND
    """Longest time to a connection, TLS included, a duration."""


class ServicesSettings(Section):
    """How services are called."""

    concurrency: int = Field(default=64, ge=1)
    """Most calls at once to one service origin (scheme, host and port), of one worker process."""
    timeouts: ServiceTimeouts = ServiceTimeouts()
    """Time-outs that all services share."""
    proxy: BaseUrl | None = None
    """HTTP proxy for calls of services."""
    ca_file: Path | None = None
    """PEM file of authorities that may sign services' certificates, besides the system's."""
