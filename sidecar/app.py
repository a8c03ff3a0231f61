"""The composition root: the only module that knows every concrete class, and the order of start and stop."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from functools import partial

import aiohttp

from sidecar import __version__
from sidecar.accept.stage import AcceptLimits, Acceptor
from sidecar.accept.waiting import WaitingCallers
from sidecar.deliver.stage import Deliver, DeliverLimits
from sidecar.duties import Duties
from sidecar.fanout.stage import Fanout, FanoutLimits
from sidecar.gather.stage import Gather
from sidecar.kit.background import Background
from sidecar.kit.periodic import Periodic
from sidecar.ledger import Ledger, LedgerConfig, LedgerStats
from sidecar.lifecycle import EXIT_FAULT, EXIT_OK, Cleanups, Supervisor, on_signals
from sidecar.listeners import Listeners, accept_rules
from sidecar.model.callback_token import CallbackTokens
from sidecar.model.delivery import Delivery
from sidecar.model.endpoint import EndpointRule, NamedEndpoint
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.invocation import Invocation
from sidecar.outbound.requests import send
from sidecar.outbound.sessions import service_session, webhook_session
from sidecar.settings.root import Settings
from sidecar.settings.secrets import read_secrets
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

COMMIT_TIMEOUT = 5.0
"""Seconds that an answer waits for its commit; with the wait for services it stays under the gateway's time-out."""

MAX_WEBHOOK_RESPONSE = 4096
"""Bytes of a webhook's answer that are read: enough to see a gateway's fault code."""

QUEUE_PER_LANE = 256
"""Work that is owned and waits in memory for one service or endpoint; more than that waits in the ledger."""


class _Handover:
    """Passes committed work from the ledger to the stages, which are made after it."""

    fanout: Fanout
    deliver: Deliver

    def invocations(self, work: Sequence[Invocation], /) -> None:
        self.fanout.start(work)

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        self.deliver.start(work)

    def full_endpoints(self) -> Sequence[str]:
        return self.deliver.lanes.full_keys()


class Sidecar:
    """One worker process: everything it is made of, started and stopped in order.

    Args:
        settings: Checked settings.
        log: Where events go.
        reuse_port: Whether other workers listen on the same ports (SO_REUSEPORT).
    """

    def __init__(self, settings: Settings, *, log: EventLog, reuse_port: bool = False) -> None:
        self._settings = settings
        self._log = log
        self._state: str | None = "starting"
        self._supervisor = Supervisor()
        self._cleanups = Cleanups(self._failed)
        self._background = Background(lambda error: self._failed("background", error))
        handover = _Handover()
        self._ledger = Ledger(_ledger_config(settings), handover=handover, on_death=self._died)
        self._metrics = Metrics(
            statements=partial(_ledger_counts, self._ledger.stats),
            endpoints=[endpoint.name for endpoint in settings.webhook.endpoints],
        )
        self._listeners = Listeners(settings, log=log, metrics=self._metrics, reuse_port=reuse_port)
        self._callers = WaitingCallers()
        self._tokens = CallbackTokens(
            [
                secret.get_secret_value().encode()
                for secret in read_secrets(settings.callbacks.token_secrets, settings.callbacks.token_secrets_file)
            ]
        )
        self._rules = accept_rules(settings)
        self._handover = handover

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener that is open, by name."""
        return self._listeners.ports

    def request_stop(self) -> None:
        """Ask for an orderly end."""
        self._supervisor.request_stop()

    async def run(self) -> int:
        """Start, serve until asked to stop or until something breaks, stop; return the exit code."""
        asyncio.get_running_loop().set_exception_handler(self._log.loop_exception)
        undo = on_signals(self.request_stop)
        starting = asyncio.ensure_future(self.start())
        over = asyncio.ensure_future(self._supervisor.until_over())
        try:
            await asyncio.wait({starting, over}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                error = await over
            else:
                error = None
            if error is not None:
                self._failed("a background task", error)
            return EXIT_OK if error is None else EXIT_FAULT
        finally:
            over.cancel()
            starting.cancel()
            await asyncio.gather(starting, over, return_exceptions=True)
            await self.stop()
            undo()

    async def start(self) -> None:
        """Start everything; the admin listener first, so that probes are answered while the database is awaited."""
        await self._listeners.open_admin(why_not_ready=lambda: self._state)
        self._cleanups.add("admin listener", self._listeners.close_admin)
        self._make_stages()
        await self._start_ledger()
        self._cleanups.add("ledger", self._ledger.stop)
        self._guard(self._duties.life, "life")
        self._cleanups.add("the beat", partial(self._supervisor.cancel, "life"))
        self._cleanups.add("owned work", self._let_go)
        self._guard((*self._duties.claims, *self._duties.upkeep), "work")
        self._supervisor.guard("lanes", self._fanout.lanes.failed())
        self._supervisor.guard("lanes", self._deliver.lanes.failed())
        await self._listeners.open_callbacks(gather=self._gather)
        await self._listeners.open_gateway(rules=self._rules, acceptor=self._acceptor, jobs=self._ledger)
        self._cleanups.add("listeners", self._listeners.close)
        gc.freeze()  # what start-up made stays: the collector need not look at it again
        self._state = None
        self._log.info(Event.STARTED, version=__version__, worker=self._ledger.worker, **self.ports)

    async def stop(self) -> None:
        """Stop in the reverse order; work that cannot be finished in time is given back."""
        self._state = "stopping"
        self._log.info(Event.STOPPING)
        await self._cleanups.run()
        self._log.info(Event.STOPPED)
        self._log.flush()

    def _open_services(self) -> aiohttp.ClientSession:
        services = self._settings.services
        session = service_session(
            connect_timeout=services.timeouts.connect, per_host=services.concurrency, ca_file=services.ca_file
        )
        self._cleanups.add("service connections", session.close)
        return session

    def _open_webhooks(self) -> aiohttp.ClientSession:
        webhook = self._settings.webhook
        session = webhook_session(
            connect_timeout=webhook.timeouts.connect,
            per_host=webhook.concurrency.per_host,
            total=webhook.concurrency.total,
            ca_file=webhook.ca_file,
        )
        self._cleanups.add("webhook connections", session.close)
        return session

    def _make_stages(self) -> None:
        settings, concurrency = self._settings, self._settings.webhook.concurrency
        endpoints = EndpointRule(
            [NamedEndpoint(rule.name, rule.match) for rule in settings.webhook.endpoints],
            segments=settings.webhook.endpoint_path_segments,
        )
        self._fanout = Fanout(
            ledger=self._ledger,
            send=partial(send, self._open_services()),
            max_response=settings.max_callback_body,
            acknowledgements=self._callers,
            tokens=self._tokens,
            callbacks_url=self._rules.callbacks_url,
            marker=self._rules.marker,
            limits=FanoutLimits(
                per_service=settings.services.concurrency,
                total=settings.gateway.max_pending,
                queue=QUEUE_PER_LANE,
                in_flight_bytes=settings.gateway.max_in_flight_bytes,
            ),
            log=self._log,
            metrics=self._metrics,
            on_room=self._wake_reinvoke,
        )
        self._deliver = Deliver(
            ledger=self._ledger,
            send=partial(send, self._open_webhooks(), method="POST", max_response=MAX_WEBHOOK_RESPONSE),
            limits=DeliverLimits(
                per_endpoint=concurrency.per_endpoint,
                total=concurrency.total,
                queue=QUEUE_PER_LANE,
                timeout=settings.webhook.timeouts.total,
            ),
            label_of=endpoints.label_of,
            log=self._log,
            metrics=self._metrics,
            on_room=self._wake_redeliver,
        )
        self._handover.fanout, self._handover.deliver = self._fanout, self._deliver
        for name, lanes in (("invocations", self._fanout.lanes), ("deliveries", self._deliver.lanes)):
            self._metrics.gauge(
                f"{name}_running", f"{name.capitalize()} under way.", partial(getattr, lanes, "running")
            )
            self._metrics.gauge(f"{name}_queued", f"Owned {name} that wait.", partial(getattr, lanes, "queued"))
        self._gather = Gather(ledger=self._ledger, tokens=self._tokens, log=self._log, metrics=self._metrics)
        self._acceptor = Acceptor(
            ledger=self._ledger,
            room=self._fanout,
            holds=self._deliver.holds,
            callers=self._callers,
            endpoints=endpoints,
            limits=AcceptLimits(
                commit_timeout=COMMIT_TIMEOUT,
                idempotency_ttl=settings.gateway.idempotency_ttl,
                public_url=(settings.gateway.public_url or "").rstrip("/"),
            ),
            background=self._background,
            log=self._log,
            metrics=self._metrics,
        )
        self._duties = Duties(
            settings,
            ledger=self._ledger,
            fanout=self._fanout,
            deliver=self._deliver,
            log=self._log,
            on_error=self._duty_failed,
        )

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
        """Finish what is under way, within the drain time-out, and give the rest back."""
        await self._supervisor.cancel("work")
        await self._supervisor.cancel("lanes")
        fanout, deliver = self._fanout, self._deliver
        await fanout.give_back_queued()
        await deliver.give_back_queued()
        within = self._settings.worker.drain_timeout
        await asyncio.gather(fanout.lanes.drain(within), deliver.lanes.drain(within), self._background.drain(within))
        await self._ledger.release_all()

    def _guard(self, duties: Sequence[Periodic], name: str) -> None:
        for duty in duties:
            self._supervisor.guard(name, duty.run())

    def _wake_reinvoke(self) -> None:
        self._duties.reinvoke.wake()

    def _wake_redeliver(self) -> None:
        self._duties.redeliver.wake()

    def _died(self) -> None:
        self._fanout.forget_queued()
        self._deliver.forget_queued()
        self._log.error(Event.WORKER_DEAD)

    def _duty_failed(self, name: str, error: Exception) -> None:
        if isinstance(error, LedgerUnavailable):
            self._log.warning(Event.LEDGER_UNAVAILABLE, stage=name, error=str(error))
        else:
            self._log.error(Event.DUTY_FAILED, duty=name, exc_info=error)

    def _failed(self, name: str, error: BaseException) -> None:
        self._log.error(Event.TASK_FAILED, task=name, exc_info=error)


def _ledger_counts(stats: LedgerStats) -> Mapping[str, Mapping[str, int]]:
    return {"statements": stats.statements, "batches": stats.batches, "rows": stats.rows, "rejected": stats.rejected}


def _ledger_config(settings: Settings) -> LedgerConfig:
    database = settings.database
    return LedgerConfig(
        dsn=database.dsn.get_secret_value(),
        password=database.password.get_secret_value() if database.password else None,
        password_file=database.password_file,
        pool=database.pool,
        pooler=database.pooler,
        statement_timeout=database.statement_timeout,
        dead_after=settings.worker.dead_after,
    )
