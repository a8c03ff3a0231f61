"""Where messages may go: which names, ports and addresses may be dialled for a URL that a stranger sent.

Pure. Looking names up, and holding connections to the answer, is :mod:`sidecar.outbound.egress`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from ssrfguard import DEFAULT_DENIED

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class EgressReason(StrEnum):
    """Why a URL may not be called. A closed set: also labels of metrics."""

    PORT = "port"  # not one of webhook.ports
    SPELLING = "spelling"  # an address in a form that parsers read differently, such as 0x7f.1
    METADATA = "metadata"  # a cloud's metadata service, or another link-local address
    LOOPBACK = "loopback"
    UNUSABLE = "unusable"  # unspecified, multicast, reserved: nobody's webhook
    OWN = "own"  # our own listeners, database, object store, key manager, services
    DENIED = "denied"  # webhook.deny_networks
    NOT_PUBLIC = "not_public"  # not globally routable, and not allowed by the settings


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. ``detail`` is for the operator: the caller is told nothing of it."""

    reason: EgressReason
    detail: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL asks to dial, as far as its name and port allow it. ``trusted``: ``webhook.allow_hosts`` names it."""

    host: str
    port: int
    address: Address | None = None  # where the host is one
    trusted: bool = False


class OwnPlaces(Protocol):
    """What belongs to this installation."""

    def named(self, host: str, port: int) -> str | None:
        """Name what has this host and port; ``None``: nothing of ours."""

    def at(self, address: Address, port: int) -> str | None:
        """Name what has this address and port; ``None``: nothing of ours."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __contains__(self, port: int) -> bool:
        return self.low <= port <= self.high

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


class EgressPolicy:
    """Decide what may be dialled. What is denied stays denied, whatever else is allowed.

    Args:
        ports: What a URL may name.
        allow_hosts: Names, or ``*.suffix``, that may have addresses that are not public.
        allow_networks: Networks that may be called although they are not public. Loopback is only opened by a network
            within it: ``0.0.0.0/0`` does not mean this machine.
        deny_networks: Networks that may never be called.
        own: What belongs to this installation.
    """

    def __init__(
        self,
        *,
        ports: Sequence[Ports],
        own: OwnPlaces,
        allow_hosts: Sequence[str] = (),
        allow_networks: Sequence[Network] = (),
        deny_networks: Sequence[Network] = (),
    ) -> None:
        self._ports = tuple(ports)
        self._own = own
        hosts = [host.lower().rstrip(".").strip("[]") for host in allow_hosts]
        self._hosts = frozenset(host for host in hosts if not host.startswith("*."))
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._allowed = tuple(allow_networks)
        self._denied = tuple(deny_networks)
        self._loopback = tuple(net for net in allow_networks if any(_within(net, loop) for loop in LOOPBACK))

    def target(self, host: str, port: int) -> Target | Refusal:
        """Decide by name and port alone, without any look-up.

        Args:
            host: The host of a URL in lower case, an IPv6 address in brackets.
            port: Its port, the scheme's own where none is written.
        """
        if not any(port in ports for ports in self._ports):
            return Refusal(EgressReason.PORT, f"port {port} is none of webhook.ports")
        name = host.strip("[]").removesuffix(".")
        if (own := self._own.named(name, port)) is not None:
            return Refusal(EgressReason.OWN, f"{name}:{port} is {own}")
        address = _literal(name, bracketed=host.startswith("["))
        if isinstance(address, Refusal):
            return address
        target = Target(name, port, address, trusted=name in self._hosts or name.endswith(self._suffixes))
        if address is None:
            return _named_badly(name, loopback=bool(self._loopback)) or target
        return self.refuses(target, address) or target

    def refuses(self, target: Target, address: Address) -> Refusal | None:
        """Decide whether a target may be dialled at one of its addresses."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # the kernel dials that
        for hop in (address, *_carried(address)):
            refusal = self._always(hop, target.port)
            if refusal is not None:
                return refusal
        if target.trusted or _in(address, self._allowed):
            return None
        verdict = DEFAULT_DENIED.classify(address)
        if not verdict.blocked:
            return None
        detail = f"{address} is not public: {verdict.reason}; webhook.allow_networks or allow_hosts can open it"
        return Refusal(EgressReason.NOT_PUBLIC, detail)

    def _always(self, address: Address, port: int) -> Refusal | None:
        """Refuse what no setting opens."""
        if (own := self._own.at(address, port)) is not None:
            return Refusal(EgressReason.OWN, f"{address} port {port} is {own}")
        if _in(address, METADATA):
            return Refusal(EgressReason.METADATA, f"{address} is link-local, or a cloud's metadata service")
        if _in(address, LOOPBACK) and not _in(address, self._loopback):
            detail = f"{address} is loopback; only a network of webhook.allow_networks within loopback opens it"
            return Refusal(EgressReason.LOOPBACK, detail)
        if _in(address, UNUSABLE):
            return Refusal(EgressReason.UNUSABLE, f"{address} is unspecified, multicast or reserved")
        if _in(address, self._denied):
            return Refusal(EgressReason.DENIED, f"{address} is in webhook.deny_networks")
        return None


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


METADATA = _networks(
    "169.254.0.0/16",  # link-local: AWS, GCP, Azure, Oracle, OpenStack; 169.254.170.2 and .23 hand out AWS credentials
    "fe80::/10",
    "fd00:ec2::/32",  # AWS: 254 is metadata, 23 hands out credentials
    "fd20:ce::254/128",  # GCP
    "100.100.100.200/32",  # Alibaba
    "168.63.129.16/32",  # Azure: a public address that leads to the host
    "192.0.0.192/32",  # Oracle
)
LOOPBACK = _networks("127.0.0.0/8", "::1/128")
UNUSABLE = _networks(
    "0.0.0.0/8",  # Linux takes 0.0.0.0 for loopback
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "ff00::/8",
    "64:ff9b:1::/48",  # RFC 8215: translated to IPv4 in a way that only the local network knows
)

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
_LOOPBACK_NAMES = re.compile(r"(.+\.)?localhost(\.localdomain)?\Z")  # RFC 6761, 6.3: whatever a resolver says
_NUMERIC = re.compile(
    r"([0-9]+|0x[0-9a-f]*)\Z"
)  # a last label that makes parsers look for an IPv4 address (WHATWG URL)
_EMBEDDING = _networks("64:ff9b::/96", "::/96")  # NAT64 (RFC 6052), and the deprecated IPv4-compatible form


def _literal(name: str, *, bracketed: bool) -> Address | Refusal | None:
    """Read a host that is an address; anything that some parsers take for one, and others not, is refused."""
    try:
        return ip_address(name)
    except ValueError:
        pass
    if bracketed or _NUMERIC.match(name.rpartition(".")[2]):
        return Refusal(EgressReason.SPELLING, f"{name} is no address as RFC 3986 writes it, but some would read one")
    return None


def _named_badly(name: str, *, loopback: bool) -> Refusal | None:
    if name in _METADATA_NAMES:
        return Refusal(EgressReason.METADATA, f"{name} is a cloud's metadata service")
    if not loopback and _LOOPBACK_NAMES.match(name):
        return Refusal(EgressReason.LOOPBACK, f"{name} is loopback by its name")
    return None


def _carried(address: Address) -> tuple[Address, ...]:
    """Tell the IPv4 addresses that a transition address leads to: that is where packets end up."""
    if not isinstance(address, IPv6Address):
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if _in(address, _EMBEDDING) and int(address) > 1:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def _in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)  # of another version: never in


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)
