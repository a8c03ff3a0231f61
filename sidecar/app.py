"""One worker process: what it is made of, and the order of start and stop."""

import asyncio
import gc
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import aiohttp

from sidecar import __version__
from sidecar.gatekeeper import make_identity
from sidecar.keeping import ledger_config
from sidecar.kit.background import Background
from sidecar.kit.periodic import Periodic
from sidecar.ledger import Ledger
from sidecar.lifecycle import EXIT_FAULT, EXIT_OK, Cleanups, Supervisor, on_level_signals, on_signals
from sidecar.listeners import Listeners, accept_rules
from sidecar.measuring import make_metrics, measure_ledger, measure_process, measure_store
from sidecar.model.errors import LedgerUnavailable
from sidecar.offload.store import ObjectStore
from sidecar.operate.desk import operator_desk
from sidecar.outbound.egress import make_egress
from sidecar.outbound.service_users import ServiceUsers
from sidecar.sending import make_users, open_services, open_uploads, open_webhooks
from sidecar.settings.root import Settings
from sidecar.telemetry.events import Event
from sidecar.telemetry.exposition import Exposition
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.loop_lag import LoopLag
from sidecar.telemetry.otlp import OtlpSpans
from sidecar.telemetry.siblings import Siblings
from sidecar.telemetry.tracing import Tracing
from sidecar.wiring import Handover, Parts, Stages

GC_THRESHOLDS = (20_000, 20, 50)
"""Requests make few cycles: collecting them less often saves a tenth of the CPU."""

KEYS_INTERVAL = 1.0
"""Seconds between questions whether it is time to look at the gateway's keys."""


class Sidecar:
    """One worker process: everything it is made of, started and stopped in order.

    Args:
        settings: Checked settings.
        log: Where events go.
        siblings: The folder that is shared with other workers on the same ports (SO_REUSEPORT), if there are any.
        worker_number: Which of them this is.
    """

    def __init__(
        self, settings: Settings, *, log: EventLog, siblings: Path | None = None, worker_number: int = 0
    ) -> None:
        self._settings = settings
        self._log = log
        self._state: str | None = "starting"
        self._supervisor = Supervisor()
        self._cleanups = Cleanups(self._failed)
        self._background = Background(partial(self._failed, "background"))
        self._handover = Handover()
        self._ledger = Ledger(ledger_config(settings), handover=self._handover, on_death=self._died)
        self._metrics = metrics = make_metrics(settings)
        measure_ledger(metrics, self._ledger)
        self._lag = LoopLag(measure_process(metrics, log))
        self._store_told = measure_store(metrics)
        endpoint = settings.telemetry.otlp_endpoint
        self._spans = None if endpoint is None else OtlpSpans(endpoint)
        self._tracing = None if self._spans is None else Tracing(self._spans)
        identity, self._keyring = make_identity(settings.gateway.identity, log=log)
        self._rules = accept_rules(settings, identity)
        self._egress = make_egress(settings)
        self._siblings: Siblings | None = None
        if siblings is not None:
            self._siblings = Siblings(self._metrics, directory=siblings, worker=str(worker_number))
        self._listeners = Listeners(settings, log=log, metrics=self._metrics, reuse_port=siblings is not None)

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener that is open, by name."""
        return self._listeners.ports

    def request_stop(self) -> None:
        """Ask for an orderly end."""
        self._supervisor.request_stop()

    async def run(self) -> int:
        """Start, serve until asked to stop or until something breaks, stop; return the exit code.

        Raises:
            ConfigError: The settings, or the database they name, cannot be served.
        """
        asyncio.get_running_loop().set_exception_handler(self._log.loop_exception)
        undo = on_signals(self.request_stop)
        undo_levels = on_level_signals(self._log.set_level, usual=self._settings.telemetry.log.level)
        starting = asyncio.ensure_future(self.start())
        over = asyncio.ensure_future(self._supervisor.until_over())
        try:
            await asyncio.wait({starting, over}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return EXIT_OK  # asked to stop before everything had started
            starting.result()
            error = await over
            if error is None:
                return EXIT_OK
            self._failed("a background task", error)
            return EXIT_FAULT
        finally:
            over.cancel()
            starting.cancel()
            await asyncio.gather(starting, over, return_exceptions=True)
            await self.stop()
            undo()
            undo_levels()

    async def start(self) -> None:
        """Start everything; the admin listener first, so that probes are answered while the database is awaited."""
        add = self._cleanups.add
        await self._open_admin(await self._start_telling())
        add("look-ups", self._egress.names.stop)
        await self._egress.own.run_once()
        self._stages = stages = self._handover.stages = await self._make_stages()
        add("ledger", self._ledger.stop)
        await self._start_ledger()
        self._guard(stages.duties.life, "life")
        add("the beat", partial(self._supervisor.cancel, "life"))
        add("owned work", self._let_go)
        self._guard((*stages.duties.claims, *stages.duties.upkeep), "work")
        for lanes in (stages.fanout.lanes, stages.deliver.lanes):
            self._supervisor.guard("work", lanes.failed())
        for task in self._ledger.background():
            self._supervisor.watch(task)
        add("listeners", self._listeners.close)
        await self._open_listeners(stages)
        gc.freeze()  # what start-up made stays: the collector need not look at it again
        gc.set_threshold(*GC_THRESHOLDS)
        self._state = None
        self._log.info(Event.STARTED, version=__version__, worker=self._ledger.worker, **self.ports)

    async def stop(self) -> None:
        """Stop in the reverse order; work that cannot be finished in time is given back."""
        self._state = "stopping"
        self._log.info(Event.STOPPING)
        await self._cleanups.run()
        self._log.info(Event.STOPPED)
        self._log.flush()

    async def _start_telling(self) -> Exposition:
        """Start what tells of this process, and return what the metrics are read from."""
        await self._lag.start()
        self._cleanups.add("loop lag", self._lag.stop)
        if self._spans is not None:
            self._cleanups.add("traces", self._spans.stop)
        if self._siblings is None:
            return self._metrics
        await self._siblings.start()
        self._cleanups.add("siblings", self._siblings.stop)
        return self._siblings

    async def _open_admin(self, exposition: Exposition) -> None:
        operators = operator_desk(self._settings, self._ledger)
        self._cleanups.add("operators' connections", operators.close)
        await self._listeners.open_admin(
            exposition=exposition, why_not_ready=lambda: self._state, operator=operators.operator
        )
        self._cleanups.add("admin listener", self._listeners.close_admin)
        self._guard(self._door_duties(), "doors")
        self._cleanups.add("duties of the doors", partial(self._supervisor.cancel, "doors"))

    async def _open_listeners(self, stages: Stages) -> None:
        await self._listeners.open_callbacks(gather=stages.gather)
        await self._listeners.open_gateway(
            rules=self._rules,
            acceptor=stages.acceptor,
            targets=stages.targets,
            jobs=self._ledger,
            downloads=stages.downloads,
            keys=stages.signatures,
            quotas=stages.quotas,
            tracing=self._tracing,
        )

    def _door_duties(self) -> list[Periodic]:
        """List what keeps up certificates and keys; none of it needs the database."""
        duties = [self._listeners.renewal(self._duty_failed)]
        if self._keyring is not None:
            look = self._keyring.run_once
            duties.append(Periodic("gateway keys", interval=KEYS_INTERVAL, run_once=look, on_error=self._duty_failed))
        return duties

    async def _make_stages(self) -> Stages:
        parts = Parts(
            settings=self._settings,
            rules=self._rules,
            ledger=self._ledger,
            services=self._keep_open("service connections", open_services(self._settings)),
            webhooks=self._keep_open("webhook connections", open_webhooks(self._settings, self._egress)),
            uploads=self._keep_open("upload connections", open_uploads(self._settings, self._egress)),
            users=self._make_users(),
            egress=self._egress,
            store=await self._open_store(),
            background=self._background,
            log=self._log,
            metrics=self._metrics,
            tracing=self._tracing,
        )
        return Stages(parts, on_duty_error=self._duty_failed)

    def _keep_open(self, name: str, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        self._cleanups.add(name, session.close)
        return session

    def _make_users(self) -> ServiceUsers:
        worker = partial(getattr, self._ledger, "worker")
        users = make_users(self._settings, self._egress, worker=worker, log=self._log, metrics=self._metrics)
        self._cleanups.add("service users", users.close)
        return users

    async def _open_store(self) -> ObjectStore | None:
        settings = self._settings.offload
        if settings is None or settings.bucket is None:
            return None
        store = ObjectStore(settings, told=self._store_told)
        self._cleanups.add("object store", store.stop)
        await store.start()
        return store

    async def _start_ledger(self) -> None:
        """Wait for the database for as long as it takes; the probes say why meanwhile."""
        delay = 0.1
        while True:
            try:
                await self._ledger.start()
            except LedgerUnavailable as error:
                self._state = "waiting for the database"
                self._log.warning(Event.LEDGER_UNAVAILABLE, stage="start", error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                return

    async def _let_go(self) -> None:
        """Finish what is under way and give the rest back, within the drain time-out; others find what is left."""
        await self._supervisor.cancel("work")
        fanout, deliver = self._stages.fanout, self._stages.deliver
        within = self._settings.worker.drain_timeout
        until = asyncio.get_running_loop().time() + within
        # What the services still answer makes messages, so the deliveries end last.
        await asyncio.gather(self._give_back_queued(within), fanout.lanes.drain(within), self._background.drain(within))
        await deliver.lanes.drain(max(0.0, until - asyncio.get_running_loop().time()))
        try:
            released = await self._ledger.release_all()
        except LedgerUnavailable as error:
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="stop", error=str(error))
        else:
            if released:
                self._log.info(Event.WORK_RELEASED, rows=released)

    async def _give_back_queued(self, within: float) -> None:
        """Return what was not begun. Its release waits for a database that is away, and a stop must not."""
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(self._stages.fanout.give_back_queued(), self._stages.deliver.give_back_queued())
        except (TimeoutError, LedgerUnavailable) as error:
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage="stop", error=str(error))

    def _guard(self, duties: Sequence[Periodic], name: str) -> None:
        for duty in duties:
            self._supervisor.guard(name, duty.run())

    def _died(self) -> None:
        self._stages.forget_queued()
        self._log.error(Event.WORKER_DEAD)

    def _duty_failed(self, name: str, error: Exception) -> None:
        if isinstance(error, LedgerUnavailable):
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage=name, error=str(error))
        else:
            self._log.error(Event.DUTY_FAILED, duty=name, exc_info=error)

    def _failed(self, name: str, error: BaseException) -> None:
        self._log.error(Event.TASK_FAILED, task=name, exc_info=error)
