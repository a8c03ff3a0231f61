"""The listener as a connection sees it: bounds to keep, and whether there is a place."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from aiohttp import web

from sidecar.model.problems import Problem


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener: sizes in bytes, times in seconds."""

    field: int = 32 * 1024  # one header field, name and value
    count: int = 128  # header fields
    total: int = 64 * 1024  # all header fields together
    line: int = 16 * 1024  # request target
    head_timeout: float = 10.0  # from connect, or from a head's first byte, to its end
    idle_timeout: float = 75.0  # between requests; longer than what gateways keep connections for
    write_timeout: float = 30.0  # for a client that takes nothing of its answer
    connections: int = 4096  # open at once


class Entry(Enum):
    """What becomes of a new connection."""

    SERVED = 1
    TURNED_AWAY = 2  # answered 503 and closed
    CUT_OFF = 3


class Home(Protocol):
    """What a connection needs of its listener."""

    limits: Limits
    retiring: bool

    def enter(self) -> Entry:
        """Say whether there is a place for one more connection, which is among the connections already."""

    def leave(self) -> None:
        """Count a connection that was turned away no longer."""

    def refuse(self, request: web.BaseRequest, problem: Problem) -> web.StreamResponse:
        """Answer a request that cannot be read; the connection ends with it."""

    def fault(self, error: BaseException | None) -> None:
        """Report what went wrong outside of any handler."""
