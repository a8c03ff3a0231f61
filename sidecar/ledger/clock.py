"""The database's time, told without asking the database each time."""

import os
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as PgUUID  # noqa: N811 - there are two of that name

# Keeps running while a machine is suspended; CLOCK_MONOTONIC would stand still and let us act on an old beat.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1
_LAST = (1 << 80) - 1


def quick_id(value: Any) -> UUID:
    """Build an id, of 16 bytes or of text, as the database driver does.

    It equals any other UUID, and is compared, hashed, printed and sent in C.

    Raises:
        ValueError: It is no UUID.
    """
    return PgUUID(value)


def boottime() -> float:
    """Tell the seconds since the machine booted, suspension included."""
    return time.clock_gettime(_BOOTTIME)


def floor_id(epoch: float) -> UUID:
    """Build the least UUIDv7 of an instant (seconds since 1970)."""
    return UUID(int=max(int(epoch * 1000), 0) << 80)


def ceiling_id(epoch: float) -> UUID:
    """Build the greatest UUIDv7 of an instant (seconds since 1970)."""
    return UUID(int=(max(int(epoch * 1000), 0) << 80) | _LAST)


@dataclass(slots=True)
class DatabaseClock:
    """The database's clock as an offset to the boot-time clock, measured with each beat."""

    offset: float | None = None
    drift: float = 0.0  # seconds between the last measurement and the one before

    def measure(self, epoch: float, *, sent: float, received: float) -> None:
        """Take a reading: the database said ``epoch`` (seconds since 1970) between ``sent`` and ``received``."""
        measured = epoch - (sent + received) / 2
        self.drift = 0.0 if self.offset is None else measured - self.offset
        self.offset = measured

    def now(self) -> float:
        """Tell the database's time in seconds since 1970; the machine's own before the first reading."""
        return time.time() if self.offset is None else boottime() + self.offset

    def new_id(self) -> UUID:
        """Make a UUIDv7 (RFC 9562, section 5.7) of the database's time: it names the day's partition."""
        random = int.from_bytes(os.urandom(10), "big")
        bits = (int(self.now() * 1000) << 80) | _VERSION_AND_VARIANT | (random & _RANDOM_A) | (random & _RANDOM_B)
        return quick_id(bits.to_bytes(16, "big"))
