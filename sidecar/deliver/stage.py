"""The stage that calls webhooks. Work comes in committed and owned; how each attempt ended is committed again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from sidecar.deliver.decide import Decision, Delivered, Silent, decide
from sidecar.deliver.holds import Holds
from sidecar.deliver.message import message_headers
from sidecar.kit.lanes import Lanes
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState, Part
from sidecar.model.errors import LedgerError
from sidecar.model.messages import JSON_HEADERS, aggregate_body
from sidecar.model.outcome import MessageKind
from sidecar.model.reasons import DeliveryReason
from sidecar.outbound.requests import Failure, Reply
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics


class Ledger(Protocol):
    """What this stage needs of the ledger."""

    def may_act(self, worker: int) -> bool:
        """Tell whether work owned under this id may be acted on now."""

    async def finish(self, end: DeliveryEnd) -> bool:
        """Commit how an attempt ended."""

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        """Return what an aggregate is made of."""


class Send(Protocol):
    """One HTTP POST; silence is a value, not an exception."""

    def __call__(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Awaitable[Reply | Failure]:
        """Send one request; ``timeout`` is in seconds, to the end of the response."""


@dataclass(frozen=True, slots=True)
class DeliverLimits:
    """``per_endpoint`` attempts at once, ``total`` over all, ``queue`` owned and waiting for one endpoint.

    ``timeout`` is in seconds, for a whole attempt.
    """

    per_endpoint: int
    total: int
    queue: int
    timeout: float


class Deliver:
    """Send messages, each in the lane of its endpoint."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        send: Send,
        limits: DeliverLimits,
        label_of: Callable[[str], str],
        log: EventLog,
        metrics: Metrics,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._send = send
        self._timeout = limits.timeout
        self._label_of = label_of
        self._log = log
        self._metrics = metrics
        self.lanes: Lanes[str, Delivery] = Lanes(
            self._attempt,
            per_key=limits.per_endpoint,
            total=limits.total,
            queue_limit=limits.queue,
            on_room=on_room,
        )
        self.holds = Holds(self._enqueue)

    def start(self, work: Sequence[Delivery]) -> None:
        """Take on committed deliveries that this process owns."""
        for delivery in work:
            if not self.holds.keep(delivery):
                self._enqueue(delivery)

    def forget_queued(self) -> list[Delivery]:
        """Empty the queues; return what was not begun."""
        return self.lanes.take_queued()

    async def give_back_queued(self) -> None:
        """Release deliveries that were not begun."""
        queued = self.forget_queued()
        await asyncio.gather(*(self._finish(delivery, DeliveryState.OPEN, attempted=False) for delivery in queued))

    def _enqueue(self, delivery: Delivery) -> None:
        self.lanes.put(delivery.endpoint, delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await self._attempt_or_raise(delivery)
        except LedgerError as error:
            self._unstored(delivery, error)
        except Exception as error:  # noqa: BLE001 - one message that cannot be handled must not end the process
            await self._give_up(delivery, error)

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        self._log.error(Event.TASK_FAILED, stage="deliver", job_id=str(delivery.job_id), exc_info=error)
        try:
            await self._finish(delivery, DeliveryState.FAILED, reason=DeliveryReason.INTERNAL)
        except LedgerError as away:
            self._unstored(delivery, away)

    def _unstored(self, delivery: Delivery, error: LedgerError) -> None:
        # The row stays ours by the ledger and is found again by reconcile, or by take-over.
        self._log.warning(Event.LEDGER_UNAVAILABLE, stage="deliver", job_id=str(delivery.job_id), error=str(error))

    async def _attempt_or_raise(self, delivery: Delivery) -> None:
        if delivery.kind is MessageKind.AGGREGATE:
            try:
                delivery = await self._rendered(delivery)
            except LedgerError as error:  # nothing is known to be wrong with the message itself
                self._unstored(delivery, error)
                await self._put_off(delivery)
                return
        if not self._ledger.may_act(delivery.worker):
            await self._put_off(delivery)
            return
        began = time.monotonic()
        answer = await self._send(
            url=delivery.callback_url,
            headers=message_headers(delivery, timestamp=int(time.time())),
            body=delivery.body,
            timeout=self._timeout,
        )
        decision = decide(answer)
        self._told(delivery, decision, seconds=time.monotonic() - began)
        if isinstance(decision, Delivered):
            await self._finish(delivery, DeliveryState.DELIVERED, status=decision.status)
        else:
            await self._finish(delivery, DeliveryState.FAILED, status=decision.status, reason=decision.reason)

    async def _rendered(self, delivery: Delivery) -> Delivery:
        parts = await self._ledger.parts(delivery.job_id)
        body = aggregate_body(
            job_id=delivery.job_id,
            correlation_id=delivery.correlation_id,
            status=delivery.status,
            parts=parts,
        )
        return replace(delivery, headers=JSON_HEADERS, body=body)

    async def _put_off(self, delivery: Delivery) -> None:
        """Give a message back untried; it is due again in a second."""
        await self._finish(delivery, DeliveryState.OPEN, attempted=False, retry_in=1.0)

    async def _finish(
        self,
        delivery: Delivery,
        state: DeliveryState,
        *,
        status: int | None = None,
        reason: str | None = None,
        retry_in: float = 0.0,
        attempted: bool = True,
    ) -> None:
        await self._ledger.finish(
            DeliveryEnd(
                job_id=delivery.job_id,
                service=delivery.service,
                worker=delivery.worker,
                claim=delivery.claim,
                state=state,
                status=status,
                reason=reason,
                retry_in=retry_in,
                attempted=attempted,
            )
        )

    def _told(self, delivery: Delivery, decision: Decision, *, seconds: float) -> None:
        reason = None if isinstance(decision, Delivered) else decision.reason
        self._metrics.delivery_attempted(reason, self._label_of(delivery.endpoint), seconds)
        self._log.info(
            Event.DELIVERY_ATTEMPTED,
            job_id=str(delivery.job_id),
            correlation_id=delivery.correlation_id,
            route=delivery.route,
            service=delivery.service or "all",
            webhook=urlsplit(delivery.callback_url).hostname,
            kind=delivery.kind,
            attempt=delivery.attempts + 1,
            status=decision.status,
            reason=reason,
            retryable=isinstance(decision, Silent),
            seconds=round(seconds, 4),
        )
