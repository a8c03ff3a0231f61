"""The gateway's public keys: read now and then, and at once when a token names one that is not known."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sidecar.model.errors import KeysUnavailable
from sidecar.model.jwt import KeySet, parse_keys
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog

COOL_DOWN = 10.0
"""Seconds between two looks: tokens with invented keys shall not make us ask the gateway all the time."""

COLD = 1.0
"""The same while there are no keys at all."""

MAX_WAITING = 64
"""Requests that wait for one look."""


class Source(Protocol):
    """Where the keys are."""

    async def fetch(self) -> bytes:
        """Return the document (JWKS).

        Raises:
            KeysUnavailable: It cannot be had.
        """


class Keyring:
    """Hold the keys. While their source is away, those that were read last go on.

    Args:
        source: Where they are.
        interval: Seconds between two looks.
        log: Told of changes and failures.
        clock: Seconds that only grow.
    """

    def __init__(
        self, source: Source, *, interval: float, log: EventLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.keys: KeySet | None = None
        self.generation = 0
        self.away = False
        self._document = b""
        self._source = source
        self._interval = interval
        self._log = log
        self._clock = clock
        self._due = self._not_before = float("-inf")
        self._look: asyncio.Event | None = None
        self._waiting = 0

    async def run_once(self) -> bool:
        """Look if it is time to."""
        if self._clock() >= self._due:
            await self.refresh()
        return False

    async def refresh(self) -> bool:
        """Look now, unless somebody has just done so; who comes meanwhile waits. False when too many wait."""
        if self._look is not None:
            if self._waiting >= MAX_WAITING:
                return False
            self._waiting += 1
            try:
                await self._look.wait()
            finally:
                self._waiting -= 1
        elif self._clock() >= self._not_before:
            self._look = asyncio.Event()
            try:
                await self._read()
            finally:
                look, self._look = self._look, None
                look.set()
        return True

    async def _read(self) -> None:
        try:
            document = await self._source.fetch()
            if document != self._document:
                self.keys = parse_keys(document)
                self._document = document
                self.generation += 1
                self._log.info(Event.GATEWAY_KEYS_READ, keys=len(self.keys))
            self.away = False
        except (KeysUnavailable, ValueError) as error:
            self.away = True
            self._log.warning(Event.GATEWAY_KEYS_UNAVAILABLE, error=str(error), known=len(self.keys or ()))
        except asyncio.CancelledError:
            self.away = True  # nobody knows
            raise
        finally:
            now = self._clock()
            self._not_before = now + (COLD if self.keys is None else COOL_DOWN)
            self._due = self._not_before if self.away or self.keys is None else now + self._interval
