"""Circuits: an endpoint that cannot be connected to is left alone for a while, then probed, then ramped up again.

Only connect, TLS and time-out failures open a circuit: a status comes from somebody who is there, and backs off its
own row only. The circuit itself is a row of the ledger that all replicas share, written when its state changes; what
is here is this replica's view of it, and pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.model.reasons import DeliveryReason

OPENS = frozenset({DeliveryReason.DNS, DeliveryReason.CONNECT, DeliveryReason.TLS, DeliveryReason.TIMEOUT})
"""Reasons that say: nobody is there."""

THRESHOLD = 5
"""Failures in a row, seen by one replica, that open a circuit."""

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
"""Seconds that an open circuit waits for its next probe: doubling from the first to the longest."""


def pause_after(openings: int) -> float:
    """Return the seconds until the next probe after ``openings`` in a row, counted from 1."""
    return min(FIRST_PAUSE * 2.0 ** min(openings - 1, 16), LONGEST_PAUSE)


@dataclass(slots=True)
class _Health:
    failures: int = 0
    ramp: int | None = None  # attempts at once while recovering; None: no bound of its own


class Circuits:
    """This replica's view of the endpoints. Whatever is healthy is not remembered.

    Args:
        full_speed: Attempts at once to a healthy endpoint.
    """

    def __init__(self, full_speed: int) -> None:
        self._full_speed = full_speed
        self._health: dict[str, _Health] = {}
        self._away: set[str] = set()
        self._probing: set[str] = set()

    @property
    def away(self) -> frozenset[str]:
        """Endpoints that nothing is to be sent to now, but for a probe."""
        return frozenset(self._away)

    def learn(self, away: Iterable[str]) -> None:
        """Take over the ledger's view; endpoints that came back since ramp up."""
        now = set(away)
        for endpoint in self._away - now:
            self._health[endpoint] = _Health(ramp=1)
        self._away = now
        self._probing &= now

    def pause(self, endpoint: str) -> bool:
        """Leave an endpoint alone that asked for it; false when it is away already."""
        if endpoint in self._away:
            return False
        self._health.pop(endpoint, None)
        self._away.add(endpoint)
        return True

    def probe(self, endpoint: str) -> None:
        """Let one attempt through: this replica has the lease."""
        self._probing.add(endpoint)

    def failed(self, endpoint: str, reason: DeliveryReason) -> bool:
        """Count a failure; true when the circuit is to be opened, or kept open after a probe, in the ledger."""
        if endpoint in self._away:
            if endpoint not in self._probing:
                return False
            self._probing.discard(endpoint)
            return reason in OPENS
        if reason not in OPENS:
            return False
        health = self._health.setdefault(endpoint, _Health())
        health.failures += 1
        if health.failures < THRESHOLD and health.ramp is None:
            return False
        del self._health[endpoint]
        self._away.add(endpoint)
        return True

    def answered(self, endpoint: str) -> bool:
        """Note that somebody is there; true when the circuit is to be closed in the ledger.

        A ramp doubles with each answer until it reaches full speed (1, 2, 4 ...).
        """
        if endpoint in self._away:
            self._away.discard(endpoint)
            self._probing.discard(endpoint)
            self._health[endpoint] = _Health(ramp=2)
            return True
        health = self._health.get(endpoint)
        if health is not None:
            health.failures = 0
            if health.ramp is None or health.ramp * 2 >= self._full_speed:
                del self._health[endpoint]
            else:
                health.ramp *= 2
        return False

    def speed(self, endpoint: str) -> int:
        """Return how many attempts may run at once: none while away, one as a probe, few while recovering."""
        if endpoint in self._away:
            return int(endpoint in self._probing)
        health = self._health.get(endpoint)
        return self._full_speed if health is None or health.ramp is None else min(health.ramp, self._full_speed)
