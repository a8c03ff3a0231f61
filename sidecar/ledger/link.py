"""One connection that comes back by itself."""

import asyncio
import time
from collections.abc import Sequence
from random import SystemRandom
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from sidecar.kit.time_limit import TimeLimits
from sidecar.ledger.config import LedgerConfig
from sidecar.ledger.faults import Fault, classify
from sidecar.ledger.session import DISCARD_PLANS, PLANS_KEPT, password_reader, server_settings
from sidecar.ledger.stats import LedgerStats
from sidecar.model.errors import LedgerError, LedgerRejected, LedgerUnavailable

CONNECT_TIMEOUT = 5.0
FIRST_DELAY = 0.05
LONGEST_DELAY = 2.0
GRACE = 1.0  # how much longer than the server's own time-out the client waits

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

Rows = Sequence[Any]  # records of the driver: by name or by place


class LedgerConflict(LedgerError):  # noqa: N818 - named for the state it reports
    """A deadlock or a serialization failure: nothing happened, repeat the statement."""


class DayMissing(LedgerRejected):
    """There is no partition for the day of a job: it is over and removed, or was never made."""


class Link:
    """A connection of one's own: one statement at a time, each autocommitted, never a transaction of the client's.

    While the database is away every call fails at once, and a task tries to connect again. A statement that the
    server does not end in time costs the connection: what it did is then unknown.

    Args:
        config: Where the database is.
        stats: Counts what is done.
        name: Names the connection to the server and in metrics.
        keyed: Its statements find rows by their whole keys only, so that one plan serves all arguments
            (see :mod:`sidecar.ledger.days`).
    """

    def __init__(self, config: LedgerConfig, stats: LedgerStats, *, name: str, keyed: bool = False) -> None:
        self.name = name
        self._keyed = keyed and config.pooler != "transaction"  # then no session, and no plan, is ours
        self._config = config
        self._stats = stats
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._limits = TimeLimits()
        self._plan_anew_at = 0.0
        self._up = asyncio.Event()
        self._closed = False
        self._opened = False  # once it was open, coming back is the task's business

    @property
    def up(self) -> bool:
        """Whether there is a connection, as far as anyone knows."""
        return self._connection is not None

    async def wait_up(self) -> None:
        """Wait until there is a connection."""
        await self._up.wait()

    async def open(self) -> None:
        """Connect now, unless there is a connection.

        Raises:
            LedgerUnavailable: The database cannot be reached.
        """
        if self._connection is not None:
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                connection = await self._connect()
        except DRIVER_ERRORS as error:
            raise LedgerUnavailable(f"cannot connect: {type(error).__name__}") from error
        if self._closed or self._connection is not None:  # closed meanwhile, or another was quicker
            connection.terminate()
        if self._closed:
            raise LedgerUnavailable("the ledger was closed")
        if self._connection is not None:
            return
        self._connection = connection
        self._opened = True
        self._stats.connects += 1
        connection.add_termination_listener(self._drop)
        self._up.set()

    async def close(self) -> None:
        """Close for good; safe to call twice."""
        self._closed = True
        task, self._reconnecting = self._reconnecting, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        connection, self._connection = self._connection, None
        self._up.clear()
        if connection is not None:
            try:
                await connection.close(timeout=1.0)
            except DRIVER_ERRORS:
                connection.terminate()

    async def fetch(self, query: str, *args: object) -> Rows:
        """Run one statement and return its rows.

        Raises:
            LedgerUnavailable: The database is away, or its answer was lost.
            LedgerRejected: An argument or a row is bad data; :class:`DayMissing` when its day has no partition.
            LedgerConflict: Deadlock; nothing happened.
            LedgerError: The statement is wrong.
        """
        connection = await self._first() if self._connection is None else self._connection
        self._stats.statements[query[3 : query.find("\n")]] += 1
        try:
            with self._limits.within(self._config.statement_timeout + GRACE):
                if self._keyed and time.monotonic() >= self._plan_anew_at:
                    self._plan_anew_at = time.monotonic() + PLANS_KEPT
                    await connection.execute(DISCARD_PLANS)
                return await connection.fetch(query, *args)
        except asyncio.CancelledError:
            self._drop(connection)  # what the statement did is unknown, and the next caller must not wait for it
            raise
        except DRIVER_ERRORS as error:
            raise self._translate(connection, error) from error

    async def _first(self) -> "asyncpg.Connection[asyncpg.Record]":
        if not self._opened:
            await self.open()
        if self._connection is None:
            raise LedgerUnavailable("the database is away")
        return self._connection

    def _translate(self, connection: "asyncpg.Connection[asyncpg.Record]", error: Exception) -> LedgerError:
        fault = classify(error)
        if fault is Fault.AWAY:
            self._drop(connection)
            return LedgerUnavailable(f"the connection was lost: {type(error).__name__}")
        if fault is Fault.REFUSED:
            return LedgerUnavailable(f"the database did not do it: {type(error).__name__}")
        if fault is Fault.CONFLICT:
            return LedgerConflict(type(error).__name__)
        if fault is Fault.DAY:
            return DayMissing("a job's day has no partition")
        if fault is Fault.DATA:
            return LedgerRejected(type(error).__name__)
        return LedgerError(f"a statement is wrong: {type(error).__name__}: {error}")

    def _drop(self, connection: Any) -> None:
        if self._connection is None or connection is not self._connection:
            return
        self._connection = None
        self._up.clear()
        self._stats.losses += 1
        connection.terminate()
        if not self._closed:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect(), name=f"connect {self.name}")

    async def _reconnect(self) -> None:
        delay = FIRST_DELAY
        while not self._closed:
            try:
                await self.open()
            except LedgerUnavailable:
                # Spread, so that a database that comes back does not meet all connections of all replicas at once.
                await asyncio.sleep(delay * SystemRandom().uniform(0.5, 1.0))
                delay = min(2 * delay, LONGEST_DELAY)
            else:
                return

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        config = self._config
        pooled = config.pooler == "transaction"
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            config.dsn,
            timeout=CONNECT_TIMEOUT,
            statement_cache_size=0 if pooled else 200,
            max_cached_statement_lifetime=0,
            server_settings=None if pooled else server_settings(config, self.name, keyed=self._keyed),
            target_session_attrs=SessionAttribute.read_write,  # of several hosts, the one that is not a standby
            password=config.password or password_reader(config.password_file),
        )
        return connection
