"""One message sent once, as its service user: a 401 is answered with other credentials, once and at once."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sidecar.deliver.content import Content, Message
from sidecar.deliver.decide import Delivered, PutOff, Rejected, SilenceRule, Silent, decide
from sidecar.deliver.ends import Attempt
from sidecar.deliver.message import message_headers
from sidecar.model.job import accepted_at
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.model.retry import Retry
from sidecar.model.retry_after import retry_after
from sidecar.outbound.requests import Failure, FailureKind, Reply
from sidecar.outbound.tokens import Unready
from sidecar.outbound.users import NOBODY, Credentials, ServiceUser
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing, trace_of

PUT_OFF = 1.0
"""Seconds until a message is due again that could not be sent for a reason of ours."""

RESOLVER_PAUSE = 10.0
"""Seconds until messages come again whose names could not be resolved, since no name could."""


class Send(Protocol):
    """One HTTP POST; silence is a value, not an exception."""

    def __call__(
        self, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Awaitable[Reply | Failure]:
        """Send one request; ``timeout`` is in seconds, to the end of the response."""


class Guard(Protocol):
    """Decides where messages may go."""

    @property
    def resolver_away(self) -> bool:
        """Whether a name that cannot be resolved is our trouble, and says nothing about the webhook."""

    def send(
        self, send: Send, /, *, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Awaitable[Reply | Failure]:
        """Send one request, unless it would go where it may not."""


class Signatures(Protocol):
    """Signs messages."""

    async def header(self, url: str, *, message_id: str, timestamp: int, body: bytes) -> str | None:
        """Return the value of ``webhook-signature`` for one attempt; None where nothing is signed."""


class Users(Protocol):
    """As whom messages are sent."""

    def of(self, url: str) -> ServiceUser | None:
        """Return the user of a callback-url; None when nothing is to be shown there."""

    def blocked(self, endpoint: str) -> bool:
        """Tell whether nothing can be sent to an endpoint now, because its user has no credentials."""


class Exchange:
    """Send messages and tell what came of it.

    Args:
        send: The way of messages whose service user has none of its own.
        guard: Decides where they may go, whichever way.
        signatures: Signs them.
        users: As whom messages are sent.
        may_act: Tells whether work owned under a worker's id may be acted on now.
        silence: Which answers mean that the webhook is silent.
        timeout: Seconds for one request, to the end of its response.
        longest_wait: Seconds; no longer Retry-After is heeded.
        label_of: Names an endpoint for metrics.
        clock: The time of the clock that made the job's id, in seconds since 1970.
        log: The log.
        metrics: The metrics.
        tracing: The traces, if anybody wants them.
    """

    def __init__(
        self,
        *,
        send: Send,
        guard: Guard,
        signatures: Signatures,
        users: Users,
        may_act: Callable[[int], bool],
        silence: SilenceRule,
        timeout: float,
        longest_wait: float,
        label_of: Callable[[str], str],
        clock: Callable[[], float] = time.time,
        log: EventLog,
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self._send = send
        self._guard = guard
        self._signatures = signatures
        self._users = users
        self._may_act = may_act
        self._silence = silence
        self._timeout = timeout
        self._longest_wait = longest_wait
        self._label_of = label_of
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._tracing = tracing

    async def post(self, message: Message, content: Content) -> Attempt | PutOff:
        """Send a message; a 401 is answered at once with other credentials, if they are to be had."""
        user = self._users.of(message.callback_url)
        if user is None:
            return await self._once(message, content, NOBODY)
        credentials = await user.credentials()
        if isinstance(credentials, Unready):
            return self._unready(message, credentials)
        attempt = await self._once(message, content, credentials)
        if not _unauthorized(attempt):
            return attempt
        renewed = await user.renewed(credentials)
        if renewed is None:
            return attempt
        if isinstance(renewed, Unready):
            return self._unready(message, renewed)
        return await self._once(message, content, renewed)

    async def unready(self, message: Message) -> PutOff | None:
        """Tell that a message cannot be sent now for want of credentials, as far as that is known already."""
        user = self._users.of(message.callback_url)
        if user is None or not user.blocked:
            return None
        credentials = await user.credentials()
        return self._unready(message, credentials) if isinstance(credentials, Unready) else None

    async def _once(self, message: Message, content: Content, credentials: Credentials) -> Attempt | PutOff:
        timestamp = int(time.time())
        signed = await self._signatures.header(
            message.callback_url, message_id=message.message_id, timestamp=timestamp, body=content.body
        )
        headers = message_headers(message, content, timestamp=timestamp, signature=signed)
        trace = trace_of(headers)
        headers += credentials.headers
        # Credentials may have taken their time, so this is asked last.
        if not self._may_act(message.worker):
            return PutOff(OwnReason.NOT_ALIVE, PUT_OFF)
        began = time.monotonic()
        answer = await self._guard.send(
            credentials.post or self._send,
            url=message.callback_url,
            headers=headers,
            body=content.body,
            timeout=self._timeout,
        )
        if isinstance(answer, Failure) and (ours := self._ours(answer.kind)) is not None:
            return ours
        seconds = time.monotonic() - began
        decision = decide(answer, self._silence)
        wait = 0.0
        if isinstance(answer, Reply) and isinstance(decision, Silent):
            wait = retry_after(answer.headers, longest=self._longest_wait)
        attempt = Attempt(decision, seconds, wait, answer)
        self._told(message, content, attempt)
        if self._tracing is not None:
            self._trace(message, attempt, trace)
        return attempt

    def _trace(self, message: Message, attempt: Attempt, trace: str | None) -> None:
        decision = attempt.decision
        if self._tracing is not None:
            self._tracing.attempted(
                trace,
                message.traceparent,
                retry=isinstance(message, Retry),
                seconds=attempt.seconds,
                failed=None if isinstance(decision, Delivered) else str(decision.reason),
                attributes={
                    "sidecar.job_id": str(message.job_id),
                    "sidecar.correlation_id": message.correlation_id,
                    "sidecar.service": message.service or "all",
                    "sidecar.attempt": message.attempts + 1,
                    "http.route": message.route,
                    "http.response.status_code": decision.status,
                },
            )

    def _ours(self, kind: FailureKind) -> PutOff | None:
        """Tell a failure that says nothing about the webhook."""
        if kind is FailureKind.POOL:
            return PutOff(OwnReason.CONNECTIONS_BUSY, PUT_OFF)
        if kind is FailureKind.DNS and self._guard.resolver_away:
            return PutOff(OwnReason.RESOLVER_AWAY, RESOLVER_PAUSE)
        return None

    def _unready(self, message: Message, unready: Unready) -> PutOff:
        # While nothing is claimed for the endpoint its messages need no later time of their own: they come as soon as
        # there are credentials, also of another replica.
        blocked = self._users.blocked(message.endpoint)
        return PutOff(unready.reason, PUT_OFF if blocked else max(unready.wait, PUT_OFF))

    def _told(self, message: Message, content: Content, attempt: Attempt) -> None:
        decision, answer = attempt.decision, attempt.answer
        reason = None if isinstance(decision, Delivered) else decision.reason
        label, route = self._label_of(message.endpoint), message.route
        self._metrics.delivery_attempted(reason, label, attempt.seconds, route=route)
        if reason is None:
            self._metrics.delivered(route, self._clock() - accepted_at(message.job_id))
        more = {"detail": answer.detail} if isinstance(answer, Failure) and answer.detail else {}
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
            **more,
        )


def _unauthorized(attempt: Attempt | PutOff) -> bool:
    return (
        isinstance(attempt, Attempt)
        and isinstance(attempt.decision, Rejected)
        and attempt.decision.reason is DeliveryReason.UNAUTHORIZED
    )
