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
    something is away. ``webhook_takes`` are the seconds until the webhook takes a message and answers; a message whose
    sender is gone by then was not taken. Sizes are those of each body, in bytes; results are not compared where they
    come by ``link``.
    """

    gateways: tuple[int, ...]
    callbacks: tuple[int, ...]
    clients: int = 0
    rate: float = 0.0
    services: int = 1
    size: int = 1024
    patient: bool = False
    webhook_takes: float = 0.0
    link: bool = False

    @property
    def path(self) -> bytes:
        """The route with so many services."""
        return b"/bench" if self.services == 1 else b"/bench-%d" % self.services

    def gateways_from(self, turn: int) -> tuple[int, ...]:
        """List where a request may go, the one whose turn it is first."""
        return _from(self.gateways, turn, patient=self.patient)

    def callbacks_from(self, turn: int) -> tuple[int, ...]:
        """List where a callback may go, the one whose turn it is first."""
        return _from(self.callbacks, turn, patient=self.patient)


def _from(ports: tuple[int, ...], turn: int, *, patient: bool) -> tuple[int, ...]:
    first = turn % len(ports)
    return ports[first:] + ports[:first] if patient else ports[first : first + 1]
