"""Which stage is made of what: the settings' way into the flow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import aiohttp

from sidecar.accept.large import LargeRequests
from sidecar.accept.request import AcceptRules
from sidecar.accept.stage import AcceptLimits, Acceptor
from sidecar.accept.targets import Targets
from sidecar.accept.waiting import WaitingCallers
from sidecar.deliver.content import Contents
from sidecar.deliver.health import EndpointHealth
from sidecar.deliver.stage import Deliver, DeliverLimits
from sidecar.deliver.store import MessageStore
from sidecar.duties import Duties
from sidecar.fanout.large import LargeCalls
from sidecar.fanout.stage import Fanout, FanoutLimits
from sidecar.gatekeeper import make_quotas
from sidecar.gather.large import LargeCallbacks, offered_name
from sidecar.gather.stage import Gather
from sidecar.keeping import make_bodies, make_seals, make_shapes, style_for
from sidecar.kit.background import Background
from sidecar.ledger import Ledger, quick_id
from sidecar.measuring import measure_backlog, measure_endpoints
from sidecar.model.backoff import RetryPolicy
from sidecar.model.callback_token import CallbackTokens
from sidecar.model.delivery import Delivery
from sidecar.model.endpoint import EndpointRule
from sidecar.model.invocation import Invocation
from sidecar.offload.bodies import Bodies
from sidecar.offload.store import ObjectStore
from sidecar.outbound.egress import Egress, Guarded, refusal_teller
from sidecar.outbound.requests import send
from sidecar.outbound.service_users import ServiceUsers
from sidecar.outbound.signing import make_signatures
from sidecar.sending import make_endpoints, make_exchange
from sidecar.settings.root import Settings
from sidecar.settings.secrets import read_secrets
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing
from sidecar.web.download import Downloads

COMMIT_TIMEOUT = 5.0
"""Seconds that an answer waits for its commit; the wait for services has only what is left of its own by then."""

UPLOAD_TIMEOUT = 300.0
"""Seconds for putting one result to the caller's own upload-url."""

PROBE_MARGIN = 5.0
"""Seconds that the lease of a probe outlasts the probe."""

QUEUE_PER_LANE = 256
"""Work that is owned and waits in memory for one service or endpoint; more than that waits in the ledger."""


class Handover:
    """Passes committed work from the ledger to the stages, which are made after it."""

    stages: "Stages"

    def invocations(self, work: Sequence[Invocation], /) -> None:
        """Start these calls."""
        self.stages.fanout.start(work)

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        """Send these messages."""
        self.stages.deliver.start(work)

    def full_endpoints(self) -> Sequence[str]:
        """Name the endpoints whose new deliveries shall wait in the ledger."""
        return self.stages.deliver.full_endpoints()


@dataclass(frozen=True, slots=True)
class Parts:
    """What all stages are made of."""

    settings: Settings
    rules: AcceptRules
    ledger: Ledger
    services: aiohttp.ClientSession
    webhooks: aiohttp.ClientSession
    uploads: aiohttp.ClientSession
    users: ServiceUsers
    egress: Egress
    store: ObjectStore | None
    background: Background
    log: EventLog
    metrics: Metrics
    tracing: Tracing | None


class Stages:
    """The flow, made and connected: accept, fan out, gather, deliver, and the duties that drive them.

    Args:
        parts: What they are made of.
        on_duty_error: Told what a duty raised.
    """

    def __init__(self, parts: Parts, *, on_duty_error: Callable[[str, Exception], None]) -> None:
        settings = parts.settings
        callbacks = settings.callbacks
        secrets = read_secrets(callbacks.token_secrets, callbacks.token_secrets_file)
        tokens = CallbackTokens([secret.get_secret_value().encode() for secret in secrets])
        endpoints = make_endpoints(settings)
        self._seals = make_seals(settings, secrets)
        callers = WaitingCallers()
        bodies = make_bodies(settings, parts.store)
        self._shapes = shapes = make_shapes(settings, endpoints)
        self.signatures = make_signatures(settings.webhook, endpoints, log=parts.log)
        self.fanout = self._make_fanout(parts, tokens, callers, bodies, endpoints)
        self.deliver = self._make_deliver(parts, endpoints, bodies)
        self.gather = self._make_gather(parts, tokens, bodies)
        self.downloads = None
        if parts.store is not None and settings.offload is not None:
            self.downloads = Downloads(parts.store, proxy=settings.offload.download == "proxy")
        self.targets = Targets(parts.egress, log=parts.log, metrics=parts.metrics)
        self.quotas = make_quotas(settings.gateway, counts=parts.ledger.usage, metrics=parts.metrics)
        self.acceptor = self._make_acceptor(parts, endpoints, callers, bodies)
        self.duties = Duties(
            settings,
            ledger=parts.ledger,
            fanout=self.fanout,
            deliver=self.deliver,
            own=parts.egress.own,
            quotas=self.quotas,
            bodies=bodies,
            shapes=shapes,
            log=parts.log,
            on_error=on_duty_error,
        )
        self._measure(parts, endpoints)

    def forget_queued(self) -> None:
        """Drop work that was not begun: it belongs to others now."""
        self.fanout.forget_queued()
        self.deliver.forget_queued()

    def _measure(self, parts: Parts, endpoints: EndpointRule) -> None:
        measure_backlog(parts.metrics, self.duties.backlog)
        measure_endpoints(
            parts.metrics,
            lambda: self.deliver.health.states,
            label_of=endpoints.label_of,
            labels=[endpoint.name for endpoint in parts.settings.webhook.endpoints],
        )
        for name, lanes in (("invocations", self.fanout.lanes), ("deliveries", self.deliver.lanes)):
            gauge, title = parts.metrics.gauge, name.capitalize()
            gauge(f"{name}_running", f"{title} under way.", partial(getattr, lanes, "running"))
            gauge(f"{name}_queued", f"{title} that are owned and wait.", partial(getattr, lanes, "queued"))

    def _make_gather(self, parts: Parts, tokens: CallbackTokens, bodies: Bodies | None) -> Gather:
        large = None
        if bodies is not None:
            longest = parts.settings.callbacks.body_timeout
            large = LargeCallbacks(parts.ledger, bodies, shapes=self._shapes, longest=longest)
        return Gather(
            ledger=parts.ledger,
            parse_id=quick_id,
            tokens=tokens,
            log=parts.log,
            metrics=parts.metrics,
            forgotten=parts.ledger.days.forgotten,
            large=large,
            tracing=parts.tracing,
        )

    def _make_fanout(
        self,
        parts: Parts,
        tokens: CallbackTokens,
        callers: WaitingCallers,
        bodies: Bodies | None,
        endpoints: EndpointRule,
    ) -> Fanout:
        settings = parts.settings
        large = None
        if bodies is not None:
            large = LargeCalls(
                bodies,
                parts.ledger,
                threshold=settings.threshold,
                link_name=offered_name,
                style_for=partial(style_for, self._shapes, endpoints),
            )
        return Fanout(
            ledger=parts.ledger,
            send=partial(send, parts.services),
            acknowledgements=callers,
            tokens=tokens,
            callbacks_url=parts.rules.callbacks_url,
            marker=parts.rules.marker,
            limits=FanoutLimits(
                per_service=settings.services.concurrency,
                total=settings.gateway.max_pending,
                queue=QUEUE_PER_LANE,
                in_flight_bytes=settings.gateway.max_in_flight_bytes,
            ),
            max_response=settings.max_callback_body,
            log=parts.log,
            metrics=parts.metrics,
            clock=parts.ledger.now,
            on_room=lambda: self.duties.reinvoke.wake(),  # noqa: PLW0108 - the duties are made last
            large=large,
            seals=self._seals,
            tracing=parts.tracing,
        )

    def _make_deliver(self, parts: Parts, endpoints: EndpointRule, bodies: Bodies | None) -> Deliver:
        webhook, retry = parts.settings.webhook, parts.settings.retry
        guarded = Guarded(parts.egress, told=refusal_teller(log=parts.log, metrics=parts.metrics))
        store = None if bodies is None else self._make_message_store(parts, bodies, guarded)
        exchange = make_exchange(
            parts.settings,
            session=parts.webhooks,
            guard=guarded,
            signatures=self.signatures,
            users=parts.users,
            may_act=parts.ledger.may_act,
            endpoints=endpoints,
            log=parts.log,
            metrics=parts.metrics,
            clock=parts.ledger.clock.now,
            tracing=parts.tracing,
        )
        return Deliver(
            ledger=parts.ledger,
            retries=parts.ledger.retries,
            exchange=exchange,
            users=parts.users,
            contents=Contents(parts=parts.ledger, store=store, shapes=self._shapes, inline_small=retry.inline_small),
            health=EndpointHealth(
                parts.ledger.endpoints,
                full_speed=webhook.concurrency.per_endpoint,
                probe_lease=webhook.timeouts.total + PROBE_MARGIN,
            ),
            policy=RetryPolicy(base=retry.base, cap=retry.cap, give_up_after=retry.give_up_after, jitter=retry.jitter),
            limits=DeliverLimits(
                per_endpoint=webhook.concurrency.per_endpoint,
                total=webhook.concurrency.total,
                queue=QUEUE_PER_LANE,
            ),
            log=parts.log,
            metrics=parts.metrics,
            on_room=self._deliver_has_room,
        )

    def _make_message_store(self, parts: Parts, bodies: Bodies, guarded: Guarded) -> MessageStore:
        return MessageStore(
            bodies,
            names=parts.ledger.objects,
            shapes=self._shapes,
            uploads=parts.uploads,
            guarded=guarded,
            upload_timeout=UPLOAD_TIMEOUT,
        )

    def _deliver_has_room(self) -> None:
        self.duties.redeliver.wake()
        self.duties.retry.wake()

    def _make_acceptor(
        self, parts: Parts, endpoints: EndpointRule, callers: WaitingCallers, bodies: Bodies | None
    ) -> Acceptor:
        gateway = parts.settings.gateway
        return Acceptor(
            ledger=parts.ledger,
            room=self.fanout,
            holds=self.deliver.holds,
            callers=callers,
            endpoints=endpoints,
            limits=AcceptLimits(
                commit_timeout=COMMIT_TIMEOUT,
                max_wait=gateway.max_wait,
                idempotency_ttl=gateway.idempotency_ttl,
                public_url=(gateway.public_url or "").rstrip("/"),
            ),
            background=parts.background,
            log=parts.log,
            metrics=parts.metrics,
            large=None if bodies is None else LargeRequests(bodies, log=parts.log),
            seals=self._seals,
        )
