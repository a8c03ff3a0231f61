"""The stage that calls webhooks. Work comes in committed and owned; how each attempt ended is committed again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sidecar.deliver.content import Content, Contents, Message
from sidecar.deliver.decide import Delivered, Rejected, SilenceRule, Silent, decide
from sidecar.deliver.ends import Attempt, ended, put_off
from sidecar.deliver.health import EndpointHealth
from sidecar.deliver.holds import Holds
from sidecar.deliver.message import message_headers
from sidecar.kit.lanes import Lanes
from sidecar.model.backoff import RetryPolicy
from sidecar.model.delivery import DeliveryEnd
from sidecar.model.errors import LedgerError
from sidecar.model.reasons import DeliveryReason
from sidecar.model.retry import Retry, RetryEnd, RetryState
from sidecar.model.retry_after import retry_after
from sidecar.offload.errors import OffloadError
from sidecar.outbound.requests import Failure, Reply
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics

PUT_OFF = 1.0
"""Seconds until a message is due again that could not be sent for a reason of ours."""


class Ends(Protocol):
    """Where the ends of attempts are committed."""

    def may_act(self, worker: int) -> bool:
        """Tell whether work owned under this id may be acted on now."""

    async def finish(self, end: DeliveryEnd) -> bool:
        """Commit how a first attempt ended."""


class RetryEnds(Protocol):
    """Where the ends of retries are committed."""

    async def finish(self, end: RetryEnd) -> RetryState | None:
        """Commit how a retry ended; tell where it is now."""


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
    """Send messages, first attempts and retries alike, each in the lane of its endpoint."""

    def __init__(
        self,
        *,
        ledger: Ends,
        retries: RetryEnds,
        send: Send,
        contents: Contents,
        health: EndpointHealth,
        policy: RetryPolicy,
        silence: SilenceRule,
        limits: DeliverLimits,
        label_of: Callable[[str], str],
        log: EventLog,
        metrics: Metrics,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._retries = retries
        self._send = send
        self._contents = contents
        self._policy = policy
        self._random = random.Random()  # noqa: S311 - spreads retries, and keeps no secret
        self._silence = silence
        self._timeout = limits.timeout
        self._label_of = label_of
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
        """Name the endpoints whose new messages are to wait in the ledger: full lanes, and endpoints that are away."""
        return [*self.lanes.full_keys(), *self.health.circuits.away]

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
        await asyncio.gather(*(self._commit(put_off(message, delay=0.0, reason="released")) for message in messages))

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

    def _unstored(self, message: Message, error: LedgerError) -> None:
        # The row stays ours by the ledger and is found again by reconcile, or by take-over.
        self._log.warning(Event.LEDGER_UNAVAILABLE, stage="deliver", job_id=str(message.job_id), error=str(error))

    async def _attempt_or_raise(self, message: Message) -> None:
        try:
            content = await self._contents.of(message)
        except LedgerError as error:  # nothing is known to be wrong with the message itself
            self._unstored(message, error)
            await self._commit(put_off(message, delay=PUT_OFF, reason="ledger_unavailable"))
            return
        except OffloadError as error:
            self._log.warning(Event.STORE_UNAVAILABLE, stage="deliver", job_id=str(message.job_id), error=str(error))
            await self._commit(put_off(message, delay=5 * PUT_OFF, reason="store_unavailable"))
            return
        try:
            if not self._ledger.may_act(message.worker):
                await self._commit(put_off(message, delay=PUT_OFF, reason="not_alive"))
                return
            attempt = await self._post(message, content)
        finally:
            self._contents.done(content)
        await self._end(message, attempt)

    async def _post(self, message: Message, content: Content) -> Attempt:
        """Send once; what is refused for its size or type is sent again at once, indirectly, in the same attempt."""
        attempt = await self._post_once(message, content)
        if isinstance(attempt.decision, Rejected) and attempt.decision.reason in _TOO_MUCH:
            try:
                other = await self._contents.instead(message, content)
            except LedgerError as error:
                self._unstored(message, error)
                return Attempt(Silent(attempt.decision.status, attempt.decision.reason), attempt.seconds)
            except OffloadError as error:
                self._log.warning(
                    Event.STORE_UNAVAILABLE, stage="deliver", job_id=str(message.job_id), error=str(error)
                )
                return Attempt(Silent(attempt.decision.status, attempt.decision.reason), attempt.seconds)
            if other is not None and not self._ledger.may_act(message.worker):
                return Attempt(Silent(attempt.decision.status, attempt.decision.reason), attempt.seconds)
            if other is not None:
                return await self._post_once(message, other)
        return attempt

    async def _post_once(self, message: Message, content: Content) -> Attempt:
        began = time.monotonic()
        answer = await self._send(
            url=message.callback_url,
            headers=message_headers(message, content, timestamp=int(time.time())),
            body=content.body,
            timeout=self._timeout,
        )
        seconds = time.monotonic() - began
        decision = decide(answer, self._silence)
        wait = 0.0
        if isinstance(answer, Reply) and isinstance(decision, Silent):
            wait = retry_after(answer.headers, longest=self._policy.give_up_after)
        attempt = Attempt(decision, seconds, wait)
        self._told(message, content, attempt)
        try:
            if isinstance(answer, Reply):
                # One answer must not silence what shares the endpoint for longer than a retry would wait.
                await self.health.answered(message.endpoint, answer.status, wait=min(wait, self._policy.cap))
            elif isinstance(decision, Silent):
                await self.health.silent(message.endpoint, decision.reason)
        except LedgerError as error:  # how the attempt ended is kept through an outage, and must not be lost to this
            self._unstored(message, error)
        return attempt

    async def _end(self, message: Message, attempt: Attempt) -> None:
        await self._commit(ended(message, attempt, policy=self._policy, random=self._random))

    async def _commit(self, end: DeliveryEnd | RetryEnd) -> None:
        if isinstance(end, RetryEnd):
            await self._retries.finish(end)
        else:
            await self._ledger.finish(end)

    def _told(self, message: Message, content: Content, attempt: Attempt) -> None:
        decision = attempt.decision
        reason = None if isinstance(decision, Delivered) else decision.reason
        self._metrics.delivery_attempted(reason, self._label_of(message.endpoint), attempt.seconds)
        self._log.info(
            Event.DELIVERY_ATTEMPTED,
            job_id=str(message.job_id),
            correlation_id=message.correlation_id,
            route=message.route,
            service=message.service or "all",
            webhook=message.endpoint.split("/", 3)[2],  # host and port: an endpoint begins with its origin
            kind=content.kind,
            attempt=message.attempts + 1,
            status=decision.status,
            reason=reason,
            retryable=isinstance(decision, Silent),
            seconds=round(attempt.seconds, 4),
        )


_TOO_MUCH = frozenset({DeliveryReason.TOO_LARGE, DeliveryReason.UNSUPPORTED_TYPE})
