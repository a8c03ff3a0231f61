"""Look after the certificates of the listeners: files that were replaced are taken over without a restart."""

from collections.abc import Sequence
from typing import Protocol

from sidecar.model.errors import ConfigError
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog


class Renewable(Protocol):
    """What a listener serves, made from files."""

    @property
    def name(self) -> str:
        """Where the settings name it."""

    def renew(self) -> bool:
        """Take over files that changed; tells whether any did."""


class Certificates:
    """Look once. Files that cannot be used are told, and what was served before goes on."""

    def __init__(self, served: Sequence[Renewable], *, log: EventLog) -> None:
        self._served = served
        self._log = log

    async def run_once(self) -> bool:
        """Renew what changed."""
        for certificate in self._served:
            try:
                if certificate.renew():
                    self._log.info(Event.CERTIFICATE_RENEWED, setting=certificate.name)
            except ConfigError as error:
                self._log.error(Event.CERTIFICATE_UNUSABLE, setting=certificate.name, error=str(error))
        return False
