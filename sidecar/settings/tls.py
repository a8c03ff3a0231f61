"""TLS of a listener."""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from sidecar.settings.section import Section


class ListenerTls(Section):
    """TLS of a listener, version 1.2 or newer. Files that change are taken over within seconds, without a restart."""

    cert_file: Path
    """PEM file of the certificate, followed by its chain."""
    key_file: Path
    """PEM file of the private key, without a passphrase."""
    client_ca_file: Path | None = None
    """PEM file of the authorities whose client certificates are believed."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether clients show a certificate; without a required one there is no connection."""

    @model_validator(mode="after")
    def _asks_whom_it_knows(self) -> Self:
        if self.client_certificates != "none" and self.client_ca_file is None:
            raise ValueError("asks for client certificates and believes no authority; set client_ca_file")
        if self.client_certificates == "none" and self.client_ca_file is not None:
            raise ValueError(
                "names a client_ca_file and asks for no certificate; set client_certificates: required, or leave it out"
            )
        return self
