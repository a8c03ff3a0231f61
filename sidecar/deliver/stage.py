"""The stage that calls webhooks. Work comes in committed and owned; how each attempt ended is committed again."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.deliver.content import Content, Contents, Message, UploadsBusy
from sidecar.deliver.decide import PutOff, Rejected, Silent
from sidecar.deliver.ends import Attempt, ended, put_off
from sidecar.deliver.exchange import PUT_OFF, Exchange, Users
from sidecar.deliver.health import EndpointHealth
from sidecar.deliver.holds import Holds
from sidecar.deliver.waits import Waits
from sidecar.kit.lanes import Lanes
from sidecar.model.backoff import RetryPolicy
from sidecar.model.delivery import DeliveryEnd
from sidecar.model.errors import LedgerError
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.model.retry import Retry, RetryEnd, RetryState
from sidecar.offload.errors import OffloadError
from sidecar.outbound.requests import Reply
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics


class Ends(Protocol):
    """Where the ends of attempts are committed."""

    async def finish(self, end: DeliveryEnd) -> bool:
        """Commit how a first attempt ended."""


class RetryEnds(Protocol):
    """Where the ends of retries are committed."""

    async def finish(self, end: RetryEnd) -> RetryState | None:
        """Commit how a retry ended; tell where it is now."""


@dataclass(frozen=True, slots=True)
class DeliverLimits:
    """``per_endpoint`` attempts at once, ``total`` over all, ``queue`` owned and waiting for one endpoint."""

    per_endpoint: int
    total: int
    queue: int


class Deliver:
    """Send messages, first attempts and retries alike, each in the lane of its endpoint."""

    def __init__(
        self,
        *,
        ledger: Ends,
        retries: RetryEnds,
        exchange: Exchange,
        users: Users,
        contents: Contents,
        health: EndpointHealth,
        policy: RetryPolicy,
        limits: DeliverLimits,
        log: EventLog,
        metrics: Metrics,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._retries = retries
        self._exchange = exchange
        self._waits = Waits(users)
        self._contents = contents
        self._policy = policy
        self._random = random.Random()  # noqa: S311 - spreads retries, and keeps no secret
        self._log = log
        self._metrics = metrics
        self.health = health
        self.lanes: Lanes[str, Message] = Lanes(
            self._attempt,
            per_key=limits.per_endpoint,
            total=limits.total,
            queue_limit=limits.queue,
            on_room=on_room,
            speed=health.circuits.speed,
        )
        self.holds = Holds(self._enqueue)

    def start(self, work: Sequence[Message]) -> None:
        """Take on committed messages that this process owns."""
        for message in work:
            if isinstance(message, Retry) or not self.holds.keep(message):
                self._enqueue(message)

    def full_endpoints(self) -> list[str]:
        """Name the endpoints whose new messages are to wait in the ledger.

        Their lanes are full, they are away, or nothing can be sent to them for a reason of ours.
        """
        return [*self.lanes.full_keys(), *self.health.circuits.away, *self._waits.names()]

    async def places(self, endpoint: str, free: int) -> int:
        """Tell how many messages of an endpoint may be claimed now, of so many that its lane could begin."""
        if self._waits.holds(endpoint):
            return 0
        return await self.health.places(endpoint, free)

    def forget_queued(self) -> list[Message]:
        """Empty the queues; return what was not begun."""
        return self.lanes.take_queued()

    async def give_back_queued(self) -> None:
        """Release messages that were not begun."""
        await self._give_back(self.forget_queued())

    async def give_back_away(self) -> None:
        """Release messages that wait for endpoints which are away: another replica may hold the probe.

        Those that waited here for an endpoint which is there again are begun.
        """
        self.lanes.wake()
        for endpoint in self.health.circuits.away:
            if not self.health.circuits.speed(endpoint):
                await self._give_back(self.lanes.take_lane(endpoint))

    async def _give_back(self, messages: Sequence[Message]) -> None:
        await asyncio.gather(
            *(self._commit(put_off(message, delay=0.0, reason=OwnReason.RELEASED)) for message in messages)
        )

    def _enqueue(self, message: Message) -> None:
        self.lanes.put(message.endpoint, message)

    async def _attempt(self, message: Message) -> None:
        try:
            await self._attempt_or_raise(message)
        except LedgerError as error:
            self._unstored(message, error)
        except Exception as error:  # noqa: BLE001 - one message that cannot be handled must not end the process
            await self._give_up(message, error)

    async def _give_up(self, message: Message, error: Exception) -> None:
        self._log.error(Event.TASK_FAILED, stage="deliver", job_id=str(message.job_id), exc_info=error)
        try:
            await self._end(message, Attempt(Rejected(None, DeliveryReason.INTERNAL), 0.0))
        except LedgerError as away:
            self._unstored(message, away)

    async def _attempt_or_raise(self, message: Message) -> None:
        unready = await self._exchange.unready(message)
        if unready is not None:  # rendering it would be in vain
            self._put_off(message, unready)
            await self._end(message, unready)
            return
        try:
            content = await self._contents.of(message)
        except UploadsBusy:
            busy = PutOff(OwnReason.CONNECTIONS_BUSY, 5 * PUT_OFF)
            self._put_off(message, busy)
            await self._end(message, busy)
        except LedgerError as error:  # nothing is known to be wrong with the message itself
            self._unstored(message, error)
            await self._end(message, PutOff(OwnReason.LEDGER_UNAVAILABLE, PUT_OFF))
        except OffloadError as error:
            self._unlinked(message, error)
            await self._end(message, PutOff(OwnReason.STORE_UNAVAILABLE, 5 * PUT_OFF))
        else:
            try:
                attempt = await self._post(message, content)
            finally:
                self._contents.done(content)
            await self._end(message, attempt)

    async def _post(self, message: Message, content: Content) -> Attempt | PutOff:
        """Send once; what is refused for its size or type is sent again at once, indirectly, in the same attempt."""
        attempt = await self._heeded(message, content)
        if isinstance(attempt, PutOff) or not isinstance(attempt.decision, Rejected):
            return attempt
        if attempt.decision.reason not in _TOO_MUCH:
            return attempt
        later = Attempt(Silent(attempt.decision.status, attempt.decision.reason), attempt.seconds)
        try:
            other = await self._contents.instead(message, content)
        except LedgerError as error:
            self._unstored(message, error)
            return later
        except OffloadError as error:
            self._unlinked(message, error)
            return later
        if other is None:
            return attempt
        again = await self._heeded(message, other)
        return later if isinstance(again, PutOff) else again  # one attempt was made, whatever holds up the other

    async def _heeded(self, message: Message, content: Content) -> Attempt | PutOff:
        """Send once, and heed what the answer says of the endpoint."""
        attempt = await self._exchange.post(message, content)
        try:
            if isinstance(attempt, PutOff):
                self._put_off(message, attempt)
            elif isinstance(attempt.answer, Reply):
                # One answer must not silence what shares the endpoint for longer than a retry would wait.
                wait = min(attempt.wait, self._policy.cap)
                await self.health.answered(message.endpoint, attempt.answer.status, wait=wait)
            elif isinstance(attempt.decision, Silent):
                await self.health.silent(message.endpoint, attempt.decision.reason)
        except LedgerError as error:  # how the attempt ended is kept through an outage, and must not be lost to this
            self._unstored(message, error)
        return attempt

    async def _end(self, message: Message, attempt: Attempt | PutOff) -> None:
        if isinstance(attempt, PutOff):
            self._metrics.delivery_put_off(attempt.reason)
        await self._commit(ended(message, attempt, policy=self._policy, random=self._random))

    async def _commit(self, end: DeliveryEnd | RetryEnd) -> None:
        if isinstance(end, RetryEnd):
            await self._retries.finish(end)
        else:
            await self._ledger.finish(end)

    def _put_off(self, message: Message, put_off: PutOff) -> None:
        self._waits.put_off(message.endpoint, put_off)
        self._log.info(
            Event.DELIVERY_PUT_OFF,
            job_id=str(message.job_id),
            correlation_id=message.correlation_id,
            service=message.service or "all",
            reason=put_off.reason,
        )

    def _unstored(self, message: Message, error: LedgerError) -> None:
        # The row stays ours by the ledger and is found again by reconcile, or by take-over.
        self._log.warning(Event.LEDGER_UNAVAILABLE, stage="deliver", job_id=str(message.job_id), error=str(error))

    def _unlinked(self, message: Message, error: OffloadError) -> None:
        self._log.warning(Event.STORE_UNAVAILABLE, stage="deliver", job_id=str(message.job_id), error=str(error))


_TOO_MUCH = frozenset({DeliveryReason.TOO_LARGE, DeliveryReason.UNSUPPORTED_TYPE})
