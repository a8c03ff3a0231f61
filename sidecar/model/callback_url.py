"""The form of a URL that a stranger sends us; whether it may be called is the egress guard's question."""

import re
from urllib.parse import urlsplit

from sidecar.kit.value_class import value_class

MAX_BYTES = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_FORBIDDEN = re.compile(r'[\\"<>^`{|}]')
# The whole of it: parsers differ in what they take for the host of "[::1]evil", so nothing may be left over.
_AUTHORITY = re.compile(r"([a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?|\[[0-9a-f:.]+\])(?::[0-9]*)?\Z")

# What nearly every callback-url looks like: nothing in it has to be made lower case, and no part can be misread.
_USUAL = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?)(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    r"(/[!$%&'()*+,./0-9:;=@A-Z\[\]_a-z~-]*)(?:\?[!$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*)?\Z"
)


@value_class
class WebhookUrl:
    """A usable callback address: the text as it was sent, and the parts that decisions need."""

    text: str
    scheme: str
    host: str  # lower case, IPv6 in brackets
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port always written."""
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_webhook_url(text: str, *, max_bytes: int = MAX_BYTES) -> WebhookUrl:
    """Parse an absolute http or https URL without userinfo and fragment (RFC 3986).

    Raises:
        ValueError: Says what is wrong, without repeating the value.
    """
    if len(text) > max_bytes:
        raise ValueError(f"it is longer than {max_bytes} bytes")
    if (usual := _USUAL.match(text)) is not None:
        scheme, host, digits, path = usual.groups()
        return WebhookUrl(text, scheme, host, int(digits) if digits else _DEFAULT_PORTS[scheme], path)
    if not _VISIBLE.match(text) or _FORBIDDEN.search(text):
        raise ValueError("it has characters that a URL must percent-encode (RFC 3986)")
    if "#" in text:
        raise ValueError("it has a fragment; leave out '#' and what follows")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("its host or port cannot be read") from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("it is not an absolute http or https URL")
    if "@" in parts.netloc:
        raise ValueError("it carries user information; the service user authenticates instead")
    host = _host_of(parts.netloc.lower())
    if port == 0:
        raise ValueError("its port is 0")
    return WebhookUrl(text=text, scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme], path=parts.path or "/")


def _host_of(netloc: str) -> str:
    match = _AUTHORITY.match(netloc)
    if match is None:
        raise ValueError("it has no usable host")
    return match[1]
