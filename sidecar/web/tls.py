"""TLS of one listener: made from files, and made anew when they change."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509

from sidecar.model.errors import ConfigError
from sidecar.settings.tls import ListenerTls

_ASKS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_Stamp = tuple[int, int, int] | None


class ServerTls:
    """Hold what a listening socket needs, and replace all of it at once when its files have changed.

    The socket keeps one context for its life. At each handshake that one hands over to the newest context, so that
    certificate, key and believed authorities change together, and a pair that does not fit is never served.

    Args:
        settings: The files, and whether clients show certificates.
        setting: Name of the section in the settings, for errors.

    Raises:
        ConfigError: A file cannot be read or used; the message names its setting.
    """

    def __init__(self, settings: ListenerTls, *, setting: str) -> None:
        self._settings = settings
        self._setting = setting
        self._seen = self._stamps()
        self._newest, self.expires_at = self._load()
        self.context = self._newest
        self.context.sni_callback = self._hand_over

    @property
    def name(self) -> str:
        """The section in the settings."""
        return self._setting

    def renew(self) -> bool:
        """Take over files that changed since the last look; tells whether any did. Connections that are open stay.

        Raises:
            ConfigError: The new files cannot be used. What was served before goes on, and the next change is tried.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        self._newest, self.expires_at = self._load()
        return True

    def _hand_over(self, connection: ssl.SSLObject, _server_name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _stamps(self) -> list[_Stamp]:
        return [_stamp(file) for _, file in self._files()]

    def _files(self) -> list[tuple[str, Path]]:
        files = [("cert_file", self._settings.cert_file), ("key_file", self._settings.key_file)]
        if self._settings.client_ca_file is not None:
            files.append(("client_ca_file", self._settings.client_ca_file))
        return files

    def _load(self) -> tuple[ssl.SSLContext, float]:
        contents = {name: self._read(name, file) for name, file in self._files()}
        try:
            leaf = x509.load_pem_x509_certificates(contents["cert_file"])[0]
        except ValueError:
            raise self._unusable(
                "cert_file", "holds no certificate; it must be PEM, the listener's own first"
            ) from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        self._load_pair(context)
        if "client_ca_file" in contents:
            self._load_authorities(context, contents["client_ca_file"])
        return context, leaf.not_valid_after_utc.timestamp()

    def _load_pair(self, context: ssl.SSLContext) -> None:
        def no_passphrase() -> str:
            raise self._unusable("key_file", "needs a passphrase; store the key without one")  # else OpenSSL would ask

        try:
            context.load_cert_chain(self._settings.cert_file, self._settings.key_file, password=no_passphrase)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise self._unusable("key_file", "is not the key of the certificate in cert_file") from None
            raise self._unusable("key_file", "holds no private key that can be used; it must be PEM") from None

    def _load_authorities(self, context: ssl.SSLContext, pem: bytes) -> None:
        try:
            context.load_verify_locations(cadata=pem.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise self._unusable("client_ca_file", "holds no certificate; it must be PEM") from None
        context.verify_mode = _ASKS[self._settings.client_certificates]
        # A session that is resumed is not verified again: who is believed no longer shall not come in by an old one.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET

    def _read(self, name: str, file: Path) -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise self._unusable(name, f"{file} cannot be read; {error.strerror}") from None

    def _unusable(self, name: str, why: str) -> ConfigError:
        return ConfigError(f"{self._setting}.{name}: {why}")


def names_of(certificate: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Gather the names that a verified client certificate bears; ``None`` where no certificate was shown.

    Names of hosts are in lower case, addresses and URIs as they stand, the common name as ``CN=name``
    (RFC 5280, sections 4.1.2.6 and 4.2.1.6).
    """
    if not certificate:
        return None
    names = {value.lower() if kind == "DNS" else value for kind, value in certificate.get("subjectAltName", ())}
    for part in certificate.get("subject", ()):
        names |= {f"CN={value}" for kind, value in part if kind == "commonName"}
    return frozenset(names)


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
