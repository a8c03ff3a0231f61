"""The addresses of what belongs to this installation, looked up again and again: names move."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

from sidecar.model.egress import Address
from sidecar.outbound.names import Names
from sidecar.settings.own_places import OwnPlace

LOOKUP = 3.0  # seconds


class KnownPlaces:
    """What is ours, by name and by address.

    Args:
        places: What the settings name.
        names: Looks them up.
    """

    def __init__(self, places: Sequence[OwnPlace], names: Names) -> None:
        self._names = names
        self._named = {(place.host, place.port): place.setting for place in places if place.host and place.port}
        self._everywhere = {place.port: place.setting for place in places if place.host is None and place.port}
        self._found: dict[str, tuple[Address, ...]] = {}
        self._at: dict[tuple[Address, int], str] = {}
        self.changes = 0
        """How often the addresses have changed."""
        self.unresolvable = False
        """Whether not one of our own names got an answer, when they were looked up last: then it is the resolver."""
        self._settle()

    def named(self, host: str, port: int) -> str | None:
        """Name what has this host and port."""
        return self._named.get((host, port))

    def at(self, address: Address, port: int) -> str | None:
        """Name what has this address and port; a listener on every address is found at each one of this machine."""
        found = self._at.get((address, port))
        if found is None and port in self._everywhere and _is_local(address):
            return self._everywhere[port]
        return found

    async def run_once(self) -> bool:
        """Look all names up again; what cannot be found keeps the addresses that it had."""
        hosts = sorted({host for host, _ in self._named if host and _literal(host) is None})
        answers = await asyncio.gather(*(self._names.find(host, within=LOOKUP) for host in hosts))
        self.unresolvable = bool(answers) and not any(answer.sure for answer in answers)
        new = {host: answer.addresses for host, answer in zip(hosts, answers, strict=True) if answer.addresses}
        if any(self._found.get(host) != addresses for host, addresses in new.items()):
            self._found |= new
            self._settle()
        return False

    def _settle(self) -> None:
        at: dict[tuple[Address, int], str] = {}
        for (host, port), setting in self._named.items():
            literal = _literal(host or "")
            for address in (literal,) if literal is not None else self._found.get(host or "", ()):
                at[address, port] = setting
        self._at = at
        self.changes += 1


def _literal(host: str) -> Address | None:
    with suppress(ValueError):
        return ip_address(host)
    return None


def _is_local(address: Address) -> bool:
    """Tell whether an address is this machine's: the system would send from it. Nothing is sent to find out."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP's versions
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((str(address), 9))
        return str(probe.getsockname()[0]) == str(address)
    return False
