"""The ledger: what the stages and duties ask of Postgres."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from sidecar.ledger.accept import AcceptKind
from sidecar.ledger.acknowledgements import Acknowledgements, Lost
from sidecar.ledger.audit import Audit
from sidecar.ledger.backlog import Backlog
from sidecar.ledger.bounds import Horizon
from sidecar.ledger.claims import Claims
from sidecar.ledger.clock import DatabaseClock
from sidecar.ledger.config import Handover, LedgerConfig
from sidecar.ledger.days import Days
from sidecar.ledger.dropping import Dropping
from sidecar.ledger.duties import Duties
from sidecar.ledger.endpoints import Endpoints
from sidecar.ledger.group_commit import LARGE, Lane, Queue
from sidecar.ledger.jobs import JobReader
from sidecar.ledger.link import DayMissing, Link
from sidecar.ledger.objects import Objects
from sidecar.ledger.outcomes import RecordKind
from sidecar.ledger.ownership import Ownership
from sidecar.ledger.partitions import Partitions
from sidecar.ledger.pool import LinkPool
from sidecar.ledger.pulse import Pulse
from sidecar.ledger.reading import Reading
from sidecar.ledger.receiving import Receiving
from sidecar.ledger.redrive import Redrive
from sidecar.ledger.registry import Registry
from sidecar.ledger.release import FencedKind, won
from sidecar.ledger.retries import Retries
from sidecar.ledger.server import check_server
from sidecar.ledger.sqlfiles import load_queries
from sidecar.ledger.stats import LedgerStats
from sidecar.ledger.sweeps import Sweeps
from sidecar.ledger.usage import UsageReader
from sidecar.ledger.workers import BEAT_TIMEOUT, WorkerLife
from sidecar.model.delivery import DeliveryEnd, DeliveryState
from sidecar.model.errors import LedgerError, LedgerUnavailable, NotStored
from sidecar.model.invocation import Release
from sidecar.model.job import KeyTaken, NewJob, Stored
from sidecar.model.outcome import Outcome, Recorded, Verdict
from sidecar.model.retry import RetryEnd, RetryState

MAX_DRIFT = 5.0  # seconds between two readings of the database's clock
STOP_TIMEOUT = 10.0


class Ledger(Duties, Receiving, Reading):
    """Everything that is durable, and the hand-over of what was committed.

    Every call raises ``LedgerUnavailable`` while the database is away, at once when that is known. ``release``,
    ``finish`` and a patient ``record`` wait for it instead: repeating them is harmless. ``retries``, ``endpoints``,
    ``objects`` and ``redrive`` are its parts for messages whose first attempt failed, and for bodies stored elsewhere.

    Args:
        config: How to reach the database.
        handover: Takes committed work that this process owns.
        on_death: Called when others buried this worker, before it has a new id: drop all work, none of it is ours.
    """

    def __init__(self, config: LedgerConfig, handover: Handover, *, on_death: Callable[[], None] | None = None) -> None:
        self.stats = LedgerStats()
        self._config = config
        self._queries = queries = load_queries()
        self.clock = DatabaseClock()
        self.days = Days(self.clock, retention=config.retention)
        self._ownership = ownership = Ownership(handover, self.stats)
        beat_config = dataclasses.replace(
            config, statement_timeout=min(config.statement_timeout, max(config.dead_after * BEAT_TIMEOUT, 1.0))
        )
        self._beat_link = Link(beat_config, self.stats, name="beat")
        self._hot = Lane(Link(config, self.stats, name="hot", keyed=True), self.stats)
        self._large = Lane(Link(config, self.stats, name="large", keyed=True), self.stats)
        self._pool = pool = LinkPool(config, self.stats)
        self._life = WorkerLife(
            self._beat_link,
            queries,
            ownership=ownership,
            clock=self.clock,
            dead_after=config.dead_after,
            on_death=on_death,
        )
        self._open_queues()
        horizon = Horizon(pool, queries.open_since, self.clock)
        retrying = Horizon(pool, queries.retries_since, self.clock)
        self._claims = Claims(pool, queries, ownership=ownership, horizon=horizon)
        self._sweeps = Sweeps(pool, queries, horizon=horizon, retrying=retrying)
        self._jobs = JobReader(pool, queries)
        self.usage = UsageReader(pool, queries, horizon=retrying)
        self._partitions = Partitions(pool, queries, ownership=ownership, clock=self.clock)
        self.retries = Retries(pool, queries, ownership=ownership, horizon=retrying, lane=self._hot, stats=self.stats)
        self.endpoints = Endpoints(pool, queries, ownership)
        self.objects = Objects(pool, queries, horizon=retrying, clock=self.clock)
        self.audit = Audit(pool, queries)
        self.dropping = Dropping(pool, queries, ownership=ownership, clock=self.clock)
        self.pulse = Pulse(pool, queries, ownership=ownership, horizon=retrying, stats=self.stats)
        self.backlog = Backlog(pool, queries, horizon=retrying)
        self.redrive = Redrive(pool, queries, horizon=retrying, clock=self.clock)

    def _open_queues(self) -> None:
        """Make a queue for each kind of write: small ones share a lane, large bodies have another."""
        queries, ownership, held = self._queries, self._ownership, self._ownership.registry
        self._finish: Queue[DeliveryEnd, bool] = self._hot.queue(
            FencedKind("finish", query=queries.finish, table="delivery", results=won, registry=held)
        )
        self._release: Queue[Release, bool] = self._hot.queue(
            FencedKind("release", query=queries.release, table="invocation", results=won, registry=held)
        )
        self._acknowledgements = waiting = Acknowledgements(self._release, held)
        accept = AcceptKind(queries, ownership)
        record = RecordKind(queries, ownership, patient=False, acknowledgements=waiting)
        keep = RecordKind(queries, ownership, patient=True, acknowledgements=waiting)
        self._record, self._record_large = self._hot.queue(record), self._large.queue(record)
        self._keep, self._keep_large = self._hot.queue(keep), self._large.queue(keep)
        self._accept: Queue[NewJob, Stored | KeyTaken] = self._hot.queue(accept)
        self._accept_large: Queue[NewJob, Stored | KeyTaken] = self._large.queue(accept)

    # Life

    async def start(self) -> None:
        """Connect, look at schema and server, make today's partitions, become a worker.

        Raises:
            LedgerUnavailable: The database is away.
            ConfigError: The schema is too old, or the server forgets commits.
        """
        await check_server(self._pool, self._queries)
        await asyncio.gather(self._beat_link.open(), self._hot.link.open(), self._large.link.open())
        await self._partitions.ensure(1)
        await self._life.register()
        self._hot.start()
        self._large.start()

    async def stop(self) -> None:
        """Let flushes end, bury this worker, close; safe when never started, and twice."""
        self._acknowledgements.hurry()
        await asyncio.gather(self._hot.stop(timeout=STOP_TIMEOUT), self._large.stop(timeout=STOP_TIMEOUT))
        if self._ownership.worker:
            await self._life.leave()
            self._ownership.worker = 0
        await asyncio.gather(
            self._beat_link.close(), self._hot.link.close(), self._large.link.close(), self._pool.close()
        )

    def background(self) -> tuple["asyncio.Task[None]", ...]:
        """Name the tasks that must not end while the ledger runs."""
        return tuple(task for task in (self._hot.task, self._large.task) if task is not None)

    @property
    def worker(self) -> int:
        """The id under which this process owns rows; 0 while it has none."""
        return self._ownership.worker

    @property
    def registry(self) -> Registry:
        """What this process holds."""
        return self._ownership.registry

    @property
    def up(self) -> bool:
        """Whether writes have a connection, as far as anyone knows."""
        return self._hot.link.up

    @property
    def pool(self) -> LinkPool:
        """The connections for claims, duties and reads."""
        return self._pool

    def since_beat(self) -> float:
        """Tell the seconds since the last beat that came through; infinity when there was none."""
        return self._life.since_beat()

    def fence_open(self) -> bool:
        """Tell whether this process has beaten recently enough to act on what it owns."""
        return self._life.fence_open()

    def may_act(self, worker: int) -> bool:
        """Tell whether work owned under this id may be acted on now; ask before every send to the outside."""
        return worker == self._ownership.worker and self._life.fence_open()

    def now(self) -> datetime:
        """Tell the database's time, as of the last beat: clocks of hosts differ, deadlines are the database's."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def new_job_id(self) -> UUID:
        """Make a UUIDv7 of the database's time."""
        return self.clock.new_id()

    # The flow

    async def accept(self, job: NewJob) -> Stored | KeyTaken:
        """Store a job; its owned calls are handed over when that is committed, whoever still waits here.

        Raises:
            LedgerUnavailable: Nobody knows whether it was stored; ``NotStored`` where that is certain.
            LedgerRejected: The job holds data that Postgres cannot store.
        """
        if abs(self.clock.drift) > MAX_DRIFT:
            raise NotStored("the database's clock jumped")
        if self.dropping.late(job.job_id):
            await unstored(self.dropping.note(job.job_id))
        queue = self._accept_large if len(job.body) > LARGE else self._accept
        try:
            return await queue.submit(job)
        except DayMissing:  # no fault of the caller's: the duty that makes days ahead did not get through
            await unstored(self._partitions.make_today())
        try:
            return await queue.submit(job)
        except DayMissing as error:
            raise NotStored("today has no partition") from error

    async def release(self, release: Release) -> bool:
        """Give an invocation back without an outcome; False when it was no longer ours."""
        try:
            return await self._release.submit(release)
        except LedgerError:  # not stored: no longer held, so that reconciling finds the row
            self._ownership.registry.drop("invocation", release.job_id, release.service, release.claim)
            raise

    def acknowledge(self, release: Release, *, lost: Lost) -> None:
        """Commit soon that a service took a call, unless its outcome comes first; ``lost`` hears of a failure."""
        self._acknowledgements.add(release, lost)

    async def record(self, outcome: Outcome, *, patient: bool = False) -> Recorded:
        """Record an outcome; a message that this makes is handed over when that is committed.

        A fenced outcome that is not stored is no longer held: reconciling gives the row back, unless the outcome is
        offered again before.

        Args:
            outcome: How an invocation ended.
            patient: Wait for a database that is away: for what nobody else would offer again.

        Raises:
            LedgerUnavailable: Not stored, or nobody knows.
            LedgerRejected: The outcome holds data that Postgres cannot store.
        """
        large = len(outcome.body) > LARGE
        if patient:
            queue = self._keep_large if large else self._keep
        else:
            queue = self._record_large if large else self._record
        try:
            return await queue.submit(outcome)
        except LedgerError as error:
            if outcome.fence is not None:
                self._ownership.registry.drop("invocation", outcome.job_id, outcome.service, outcome.fence.claim)
            if isinstance(error, DayMissing):
                if self.days.over(outcome.job_id):
                    return Recorded(Verdict.UNKNOWN)
                raise NotStored("a job's day has no partition") from error
            raise

    async def refuse_all(self, job_id: UUID, *, services: int) -> bool:
        """End a job whose every service refused, silently; False when any of them is not that plain."""
        try:
            rows = await self._pool.fetch(self._queries.refuse_all, job_id, self._ownership.worker, services)
        except LedgerError:
            self._ownership.registry.drop_job(job_id)
            raise
        for row in rows:
            self._ownership.registry.drop("invocation", job_id, row["service"], row["claim"])
        return bool(rows)

    async def finish(self, end: DeliveryEnd) -> bool:
        """End a delivery, give it back or begin its retry sequence; False when it was no longer ours."""
        try:
            if end.state is DeliveryState.RETRYING:
                ours = await self.retries.begin(end)
            else:
                ours = await self._finish.submit(end)
        except LedgerError:
            self._ownership.registry.drop("delivery", end.job_id, end.service, end.claim)
            raise
        if ours:
            self.stats.ended(end.state)
        return ours

    async def finish_retry(self, end: RetryEnd) -> RetryState | None:
        """End an attempt of a retry, and tell where the retry is now; None when it was no longer ours."""
        return await self.retries.finish(end)


async def unstored(first: Awaitable[None]) -> None:
    """Do what must come before something is stored.

    Raises:
        NotStored: The database is away.
    """
    try:
        await first
    except LedgerUnavailable as error:
        raise NotStored(str(error)) from error
