"""How results are given to an endpoint: up to which size directly, and how compressed objects are marked."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Style = Literal["encoded", "file"]
"""``encoded`` marks a compressed object by Content-Encoding, ``file`` leaves it a file named .gz or .zst."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``direct`` is the largest body in bytes that is sent directly; ``style`` ``None`` is the store's own."""

    direct: int
    style: Style | None = None


class Shapes:
    """The shape of each endpoint.

    Args:
        usual: Where nothing else is said.
        own: What some endpoints have of their own, by their keys.
    """

    def __init__(self, usual: Shape, own: Mapping[str, Shape] = MappingProxyType({})) -> None:
        self._usual = usual
        self._own = own
        self.styled = any(shape.style is not None for shape in own.values())
        """Whether it matters for which endpoint an object is stored."""

    def of(self, endpoint: str) -> Shape:
        """Return the shape of an endpoint."""
        return self._own.get(endpoint, self._usual)
