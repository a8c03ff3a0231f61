"""An authority of the tests' own, and what it certifies."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

HERE = ("127.0.0.1", "localhost")


class Authority:
    """Certifies servers and clients; its own certificate lies in ``ca_file``."""

    def __init__(self, directory: Path, *, name: str = "authority") -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self._made = 0
        self.ca_file = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str, expired: bool = False, clients_of: "Authority | None" = None) -> ssl.SSLContext:
        """Make a server's context; ``clients_of`` makes it demand a client certificate of an authority."""
        not_after = datetime.now(UTC) - timedelta(days=1) if expired else None
        not_before = datetime.now(UTC) - timedelta(days=2) if expired else None
        certificate = self._ca.issue_cert(*(names or HERE), not_before=not_before, not_after=not_after)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if clients_of is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cafile=clients_of.ca_file)
        return context

    def client(self, name: str) -> tuple[Path, Path]:
        """Certify a client; the files of its certificate and key."""
        self._made += 1
        files = self._directory / f"client-{self._made}.pem", self._directory / f"client-{self._made}.key"
        self.client_into(name, *files)
        return files

    def client_into(self, name: str, cert_file: Path, key_file: Path) -> None:
        """Certify a client into these files."""
        certificate = self._ca.issue_cert(f"{name}@clients.example", common_name=name)
        cert_file.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(key_file)
