"""Addresses in settings: where to listen, and the URLs of others."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from sidecar.model.egress import Ports
from sidecar.settings.secrets import FROM_WORDS

ADDRESS_FORMAT: Final = "host-port"
PORT_FORMAT: Final = "port-range"
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?", re.ASCII)
_VISIBLE_ASCII: Final = re.compile(r"[!-~]+", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on. Port 0 lets the system choose; an IPv6 host stands without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(value: Any) -> HostPort:
    """Read ``host:port`` or ``[ipv6]:port``.

    Raises:
        ValueError: it is no such address.
    """
    if isinstance(value, HostPort):
        return value
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    numeric = port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        known = _is_ipv6(host)
    else:
        known = _HOST_NAME.fullmatch(host) is not None
    if not (colon and numeric and known):
        raise ValueError("is not an address to listen on; write host:port, like 0.0.0.0:8080 or [::]:8080")
    return HostPort(host, int(port))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def split_http_url(url: str) -> SplitResult:
    """Split an absolute http(s) URL without user information and fragment.

    Raises:
        ValueError: it is none; the text says why, never the URL, which may hold a password.
    """
    if not _VISIBLE_ASCII.fullmatch(url):
        raise ValueError("holds characters that no URL has; percent-encode them (RFC 3986)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("is not a URL; check its host and port") from error
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("is not an absolute http(s) URL; write it like https://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password; leave them out of the URL")
    if "#" in url:
        raise ValueError("holds a fragment (#...), which is never sent; leave it out")
    return parts


def origin(parts: SplitResult) -> str:
    """Render ``scheme://host:port``, lower-case, always with its port."""
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if scheme == "https" else 80)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _check_base_url(url: str) -> str:
    if "?" in url:
        raise ValueError("holds a query, but paths are appended to it; leave the query out")
    split_http_url(url)
    return url.rstrip("/")


def _check_url(url: str) -> str:
    split_http_url(url)
    return url


def _check_header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name (RFC 9110, section 5.1)")
    return name.lower()


ListenAddress = Annotated[
    InstanceOf[HostPort],
    BeforeValidator(parse_host_port),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": ADDRESS_FORMAT, "examples": ["0.0.0.0:8080", "[::]:8080"]}),
]
"""An address to listen on, ``host:port``."""


def parse_ports(value: Any) -> Ports:
    """Read a port, or a range like ``8000-8999``.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, Ports):
        return value
    low, dash, high = str(value).partition("-")
    if not (low.isascii() and low.isdigit() and (not dash or (high.isascii() and high.isdigit()))):
        raise ValueError("is not a port; write a number like 443, or a range like 8000-8999")
    ports = Ports(int(low), int(high if dash else low))
    if not 1 <= ports.low <= ports.high <= _HIGHEST_PORT:
        raise ValueError("is not a port; they go from 1 to 65535, the lower one first")
    return ports


def port_numbers(ports: tuple[Ports, ...]) -> list[int | str]:
    """Render ports as the settings file writes them."""
    return [one.low if one.low == one.high else str(one) for one in ports]


PortRange = Annotated[
    InstanceOf[Ports],
    BeforeValidator(parse_ports),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "format": PORT_FORMAT,
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _HIGHEST_PORT},
                {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"},
            ],
        }
    ),
]
"""A port, or a range of them."""

PortRanges = Annotated[
    tuple[PortRange, ...], FROM_WORDS, PlainSerializer(port_numbers, return_type=list[int | str], when_used="json")
]
"""Ports and ranges of them."""

BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""An absolute http(s) URL that paths are appended to; kept without a slash at its end."""

Url = Annotated[str, AfterValidator(_check_url)]
"""An absolute http(s) URL."""

HeaderName = Annotated[str, AfterValidator(_check_header_name)]
"""A header name, kept in lower case."""
