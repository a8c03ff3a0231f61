"""One service user's token: kept, renewed before it expires, and fetched by one flight for all who wait.

A flight is a task of its own, so that it goes on when the one who began it is cancelled.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sidecar.model.reasons import OwnReason
from sidecar.outbound.grant import Granted, NotGranted

SPACING = 10.0
"""Seconds between two fetches, unless a token lives shorter than that."""

LONGEST_PAUSE = 60.0
"""Seconds between two fetches after failures in a row, doubling from ``SPACING``; a server may ask for more."""

ASSUMED_LIFETIME = 300.0
"""Seconds that a token is used of which the server did not say how long it lives; a 401 ends it sooner."""

SHORTEST_LIFETIME = 1.0
RENEW_BEFORE = 60.0
"""Seconds before its end that a token is renewed, at most a fifth of its life."""

MOST_WAITING = 20
"""Messages that wait for one token in their place; the others are put off, so that their lanes stay free."""

_TIMERS = 0.01  # seconds by which a loop's timer may be early
_PATIENCE = 1.0  # seconds until those come again


@dataclass(frozen=True, slots=True)
class Token:
    """A token; times are those of the steady clock."""

    value: str
    renew_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Unready:
    """There are no credentials now: why, and in how many seconds it is worth asking again."""

    reason: OwnReason
    wait: float


Fetch = Callable[[], Awaitable[Granted | NotGranted]]


class TokenSource:
    """The token of one service user.

    Args:
        fetch: Asks the token server once; it is bounded in time.
        told: Called after each fetch: with None, or with why there is no token.
        spacing: Seconds between two fetches.
        clock: Steady seconds.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        told: Callable[[NotGranted | None], None],
        spacing: float = SPACING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._told = told
        self._spacing = spacing
        self._clock = clock
        self._token: Token | None = None
        self._refused: Token | None = None
        self._flight: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._trouble: NotGranted | None = None
        self._failures = 0
        self._waiting = 0

    @property
    def blocked(self) -> bool:
        """Whether there is no token now, and none may be fetched yet or enough messages wait for it already."""
        if self._fresh() is not None:
            return False
        waiting = self._waiting >= MOST_WAITING
        return waiting or (self._flight is None and self._clock() < self._not_before)

    async def token(self) -> Token | Unready:
        """Return the token, or fetch one; one that nears its end is renewed in the background."""
        token = self._fresh()
        if token is None:
            return await self._fetched()
        if self._flight is None and self._clock() >= max(token.renew_at, self._not_before):
            self._launch()
        return token

    async def renewed(self, refused: Token) -> Token | Unready:
        """Return another token than the one that was refused; wait until one may be fetched.

        Until then the others use it on: one webhook that answers 401 for reasons of its own takes it from nobody.
        """
        if self._token is refused:
            self._refused = refused
        if (token := self._other_than(refused)) is not None:
            return token
        if self._trouble is None and self._flight is None and (pause := self._not_before - self._clock()) > 0:
            if self._waiting >= MOST_WAITING:
                return Unready(OwnReason.RENEWING, pause)
            await self._wait(asyncio.sleep(pause + _TIMERS))
        return self._other_than(refused) or await self._fetched()

    async def close(self) -> None:
        """End a flight under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _fresh(self) -> Token | None:
        """Tell the token that may be used: a refused one only until another may be fetched."""
        token, now = self._token, self._clock()
        if token is None or now >= token.expires_at:
            return None
        return None if token is self._refused and now >= self._not_before else token

    def _other_than(self, refused: Token) -> Token | None:
        token = self._fresh()
        return None if token is refused else token

    async def _fetched(self) -> Token | Unready:
        if self._flight is None and (pause := self._not_before - self._clock()) > 0:
            reason = OwnReason.RENEWING if self._trouble is None else self._trouble.reason
            return Unready(reason, pause)
        self._token = None  # it is over, or was refused
        if self._flight is None:
            self._launch()
        flight = self._flight
        if self._waiting >= MOST_WAITING or flight is None:
            return Unready(OwnReason.RENEWING, _PATIENCE)
        await self._wait(asyncio.shield(flight))
        # A fresh token is used even if it lives shorter than it took to come.
        if self._token is not None:
            return self._token
        reason = OwnReason.RENEWING if self._trouble is None else self._trouble.reason
        return Unready(reason, max(self._not_before - self._clock(), _PATIENCE))

    async def _wait(self, what: Awaitable[None]) -> None:
        self._waiting += 1
        try:
            await what
        finally:
            self._waiting -= 1

    def _launch(self) -> None:
        self._flight = asyncio.get_running_loop().create_task(self._fly())

    async def _fly(self) -> None:
        try:
            outcome = await self._fetch()
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever for a flight that broke
            outcome = NotGranted(OwnReason.KEY_MANAGER_AWAY, f"a fault of ours, {type(error).__name__}")
        finally:
            self._flight = None
        now = self._clock()
        if isinstance(outcome, Granted):
            self._take(outcome, now)
        else:
            self._failures += 1
            self._trouble = outcome
            pause = min(self._spacing * 2.0 ** min(self._failures - 1, 16), max(LONGEST_PAUSE, self._spacing))
            self._not_before = now + max(pause, outcome.wait)
        self._told(self._trouble)

    def _take(self, granted: Granted, now: float) -> None:
        lifetime = ASSUMED_LIFETIME if granted.lifetime is None else max(granted.lifetime, SHORTEST_LIFETIME)
        margin = min(RENEW_BEFORE, lifetime / 5)
        self._token = Token(granted.token, now + lifetime - margin, now + lifetime)
        self._trouble, self._failures = None, 0
        self._not_before = now + min(self._spacing, lifetime)
