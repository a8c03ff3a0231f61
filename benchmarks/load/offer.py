"""What load is offered."""

from dataclasses import dataclass

PATIENCE = 150.0
"""Seconds after which a message counts as missing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to offer: to which gateways, how much, and for how many services each.

    ``callbacks`` are the ports that stand behind the address of the callbacks, as behind a balancer. ``clients`` call
    again once they have their result; or ``rate`` callers come each second, whatever became of the others. ``patient``:
    what finds nobody is tried elsewhere, and callbacks that are refused again, as a gateway and services do while
    something is away. Sizes are those of each body, in bytes; results are not compared where they come by ``link``.
    """

    gateways: tuple[int, ...]
    callbacks: tuple[int, ...]
    clients: int = 0
    rate: float = 0.0
    services: int = 1
    size: int = 1024
    patient: bool = False
    link: bool = False

    @property
    def path(self) -> bytes:
        """The route with so many services."""
        return b"/bench" if self.services == 1 else b"/bench-%d" % self.services
