"""Fill a database with due retries."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

CHUNK = 250_000
"""Rows in one statement."""


def sql(name: str) -> str:
    """Read one of the statements that lie beside this module."""
    return Path(__file__).with_name(f"{name}.sql").read_text()


async def add_due(
    direct: "asyncpg.Connection[asyncpg.Record]",
    endpoints: Sequence[str],
    *,
    first: int,
    rows: int,
    size: int,
    due: float,
    spread: float = 0.0,
    bucket: str | None = None,
) -> None:
    """Add due retries, dealt out to the endpoints in turn.

    Args:
        direct: A connection of the superuser.
        endpoints: Whose retries they are.
        first: Number of the first row; numbers must not repeat.
        rows: How many.
        size: Bytes of each body.
        due: When the last of them is due, a Unix time.
        spread: Seconds before that from which on they are due.
        bucket: Where their bodies lie besides; None: in Postgres only.
    """
    statement = sql("fill")
    for begin in range(0, rows, CHUNK):
        count = min(CHUNK, rows - begin)
        await direct.execute(statement, first + begin, count, list(endpoints), size, bucket, due, spread)
