"""Certificates in files, as a listener is given them, and clients that show one."""

import os
import ssl
from pathlib import Path
from typing import Any

import trustme

from sidecar.settings.tls import ListenerTls


class Files:
    """The files of one listener, which can be replaced as an operator would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cert, self.key, self.clients = folder / "tls.crt", folder / "tls.key", folder / "clients.pem"
        self._written = 0

    def issue(self, authority: trustme.CA, *names: str) -> None:
        """Write certificate and key."""
        leaf = authority.issue_cert(*(names or ("localhost",)))
        self.write(self.cert, b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        self.write(self.key, leaf.private_key_pem.bytes())

    def believe(self, authority: trustme.CA) -> None:
        """Write whose client certificates are believed."""
        self.write(self.clients, authority.cert_pem.bytes())

    def write(self, file: Path, content: bytes) -> None:
        """Replace a file, which then has another time whatever the clock's step is."""
        file.write_bytes(content)
        self._written += 1
        os.utime(file, (self._written, self._written))

    def settings(self, **over: Any) -> ListenerTls:
        return ListenerTls(cert_file=self.cert, key_file=self.key, **over)

    def settings_for_clients(self, certificates: str = "required") -> ListenerTls:
        return self.settings(client_ca_file=self.clients, client_certificates=certificates)


def client(
    authority: trustme.CA, *, shows: trustme.LeafCert | None = None, most: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A client that believes ``authority``, and shows a certificate if it has one."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if shows is not None:
        shows.configure_cert(context)
    if most is not None:
        context.maximum_version = most
    return context
