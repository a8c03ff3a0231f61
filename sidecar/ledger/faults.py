"""Which of the driver's errors mean what: the database is away, the row is bad, or try again."""

from enum import Enum

import asyncpg

from sidecar.ledger.days import PARTITION


class Fault(Enum):
    """What an error of the driver tells about the statement."""

    AWAY = "away"  # nobody knows whether it was committed
    DATA = "data"  # this very row cannot be stored
    DAY = "day"  # the partition of its day does not exist
    CONFLICT = "conflict"  # deadlock or serialization: nothing happened, try again
    REFUSED = "refused"  # the server was told to stop, or the statement took too long: nothing happened
    BUG = "bug"  # the statement itself is wrong


DATA_CLASSES = ("22", "23")
CONFLICTS = ("40P01", "40001")
AWAY_CLASSES = ("08", "57", "25")  # connection, operator intervention, a standby after a fail-over
REFUSED_CLASSES = ("53", "55")  # resources, lock not available
QUERY_CANCELED = "57014"


def classify(error: BaseException) -> Fault:
    """Tell what an error means. Unknown connection troubles are ``AWAY``, the cautious answer."""
    if isinstance(error, asyncpg.UndefinedTableError) and PARTITION.search(str(error)):
        return Fault.DAY
    if isinstance(error, asyncpg.PostgresError):
        return classify_state(str(error.sqlstate or ""))
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return Fault.DATA  # the driver could not encode an argument
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return Fault.AWAY
    return Fault.BUG


def classify_state(state: str) -> Fault:
    """Tell what an SQLSTATE means."""
    if state in CONFLICTS:
        return Fault.CONFLICT
    if state == QUERY_CANCELED or state[:2] in REFUSED_CLASSES:
        return Fault.REFUSED
    if state[:2] in DATA_CLASSES:
        return Fault.DATA
    return Fault.AWAY if state[:2] in AWAY_CLASSES else Fault.BUG
