"""The stage that calls services. Work comes in committed and owned; whatever becomes of it is committed again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sidecar.fanout import decide as decisions
from sidecar.fanout.decide import Decision, decide
from sidecar.fanout.large import LargeCalls, RequestBody
from sidecar.fanout.outcomes import acknowledged_outcome, given_back, no_result, result_outcome
from sidecar.fanout.ports import Acknowledgements, Ledger, Send
from sidecar.fanout.request import callback_token, service_headers
from sidecar.fanout.traced import trace_call
from sidecar.kit.lanes import Lanes
from sidecar.model.callback_token import CallbackTokens
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation, Release
from sidecar.model.outcome import Outcome, OutcomeKind
from sidecar.model.reasons import InvocationReason
from sidecar.model.route import Completion
from sidecar.model.sealing import MARK, SealError, Seals
from sidecar.offload.errors import OffloadCorrupt, OffloadError
from sidecar.outbound.requests import Failure, Reply
from sidecar.outbound.streams import Spill
from sidecar.telemetry.events import Event
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.tracing import Tracing

MAX_ACKNOWLEDGEMENT = 4096
"""Bytes of an acknowledgement that are read: enough to see a gateway's fault code."""

POSTPONED = 5.0
"""Seconds until a call is tried again whose stored request could not be read."""


@dataclass(frozen=True, slots=True)
class FanoutLimits:
    """``per_service`` calls at once to one service origin, ``total`` over all, ``queue`` waiting for one."""

    per_service: int
    total: int
    queue: int
    in_flight_bytes: int


class Fanout:
    """Invoke services, each in the lane of its origin."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        send: Send,
        acknowledgements: Acknowledgements,
        tokens: CallbackTokens,
        callbacks_url: str,
        marker: str,
        limits: FanoutLimits,
        max_response: int,
        log: EventLog,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_room: Callable[[], None] = lambda: None,
        large: LargeCalls | None = None,
        seals: Seals,
        tracing: Tracing | None = None,
    ) -> None:
        self._ledger = ledger
        self._send = send
        self._acknowledgements = acknowledgements
        self._tokens = tokens
        self._callbacks_url = callbacks_url
        self._marker = marker
        self._limits = limits
        self._max_response = max_response
        self._large = large
        self._seals = seals
        self._tracing = tracing
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._bytes = 0
        self.lanes: Lanes[str, Invocation] = Lanes(
            self._attempt,
            per_key=limits.per_service,
            total=limits.total,
            queue_limit=limits.queue,
            on_room=on_room,
        )

    def has_room(self, service_key: str, size: int) -> bool:
        """Tell whether this process should own one more call, with a body of ``size`` bytes."""
        if self.lanes.has_room(service_key) and self._bytes + size <= self._limits.in_flight_bytes:
            return True
        self.lanes.more_waits(service_key)  # it is going to wait in the ledger
        return False

    async def places(self, service_key: str, free: int) -> int:
        """Tell how many calls of a service may be claimed now, of so many that its lane could begin.

        Once ``in_flight_bytes`` are used up that is one call of a service that has none here, and nothing of the
        others: bodies of one service that hangs do not stop all services. So memory holds those bytes, what one claim
        may bring (16 MiB or one row), and a body for each service.
        """
        if self._bytes < self._limits.in_flight_bytes:
            return free
        return min(free, 1) if self.lanes.empty(service_key) else 0

    def start(self, work: Sequence[Invocation]) -> None:
        """Take on committed invocations that this process owns."""
        for invocation in work:
            self._bytes += len(invocation.body)
            self.lanes.put(invocation.call.service_key, invocation)

    def forget_queued(self) -> list[Invocation]:
        """Empty the queues; return what was not begun."""
        queued = self.lanes.take_queued()
        self._bytes -= sum(len(invocation.body) for invocation in queued)
        return queued

    async def give_back_queued(self) -> None:
        """Release invocations that were not begun."""
        queued = self.forget_queued()
        await asyncio.gather(
            *(self._ledger.release(given_back(invocation, retry_in=0.0, attempted=False)) for invocation in queued)
        )

    async def _attempt(self, invocation: Invocation) -> None:
        try:
            await self._attempt_or_raise(invocation)
        except LedgerError as error:
            self._unstored(invocation, error)
        except Exception as error:  # noqa: BLE001 - one call that cannot be handled must not end the process
            await self._give_up(invocation, error)
        finally:
            self._bytes -= len(invocation.body)

    async def _give_up(self, invocation: Invocation, error: Exception) -> None:
        self._stumbled(invocation, error)
        try:
            await self._settle(invocation, decisions.GiveUp(None, InvocationReason.INTERNAL))
        except LedgerError as away:
            self._unstored(invocation, away)

    def _unstored(self, invocation: Invocation, error: LedgerError) -> None:
        # The row stays ours by the ledger and is found again by reconcile, or by take-over.
        self._log.warning(Event.LEDGER_UNAVAILABLE, stage="fanout", job_id=str(invocation.job_id), error=str(error))

    def _unacknowledged(self, taken: Release, error: LedgerError) -> None:
        self._log.warning(Event.LEDGER_UNAVAILABLE, stage="fanout", job_id=str(taken.job_id), error=str(error))

    def _stumbled(self, invocation: Invocation, error: Exception) -> None:
        self._log.error(Event.TASK_FAILED, stage="fanout", job_id=str(invocation.job_id), exc_info=error)

    async def _attempt_or_raise(self, invocation: Invocation) -> None:
        if not self._ledger.may_act(invocation.worker):
            await self._ledger.release(given_back(invocation, retry_in=1.0, attempted=False))
            return
        call = invocation.call
        left = (invocation.deadline_at - self._clock()).total_seconds()
        if left <= 0:
            await self._ledger.release(given_back(invocation, retry_in=None, attempted=False))
            return
        if invocation.unsure and not call.repeat:
            await self._settle(invocation, decisions.not_again(call))
            return
        if invocation.headers.startswith(MARK):
            try:
                invocation = replace(invocation, headers=self._seals.open(invocation.job_id, invocation.headers))
            except SealError as error:  # another replica may have the key, or this one after a restart
                self._log.error(Event.CREDENTIALS_UNREADABLE, job_id=str(invocation.job_id), error=str(error))
                await self._ledger.release(given_back(invocation, retry_in=POSTPONED, attempted=False))
                return
        headers = service_headers(
            invocation,
            tokens=self._tokens,
            callbacks_url=self._callbacks_url,
            marker=self._marker,
            upload_url=await self._upload_link(invocation) if call.offer_upload else None,
        )
        if call.offer_upload and not self._ledger.may_act(invocation.worker):  # signing a link may take its time
            await self._ledger.release(given_back(invocation, retry_in=1.0, attempted=False))
            return
        await self._settle(invocation, await self._call(invocation, headers, timeout=min(call.timeout, left)))

    async def _upload_link(self, invocation: Invocation) -> str | None:
        """Sign a link for the result; without one the service posts its result as any other does."""
        if self._large is None or invocation.call.completion is not Completion.CALLBACK:
            return None
        try:
            return await self._large.upload_link(invocation, callback_token(invocation, self._tokens))
        except OffloadError as error:
            self._away(invocation, error)
            return None

    def _away(self, invocation: Invocation, error: OffloadError) -> None:
        self._log.warning(Event.STORE_UNAVAILABLE, stage="fanout", job_id=str(invocation.job_id), error=str(error))

    async def _call(self, invocation: Invocation, headers: Sequence[tuple[str, str]], *, timeout: float) -> Decision:
        call = invocation.call
        began = time.monotonic()
        body: bytes | RequestBody = invocation.body
        if invocation.stored is not None:
            if self._large is None:  # the settings name no object store any more
                return decisions.unreadable(corrupt=False)
            body = self._large.request(invocation.stored)
        try:
            answer = await self._send(
                method=invocation.method,
                url=call.url,
                headers=headers,
                body=body,
                timeout=timeout,
                max_response=self._max_response if call.completion is Completion.RESPONSE else MAX_ACKNOWLEDGEMENT,
                spill=self._spill(invocation),
            )
            if isinstance(answer, Failure) and isinstance(body, RequestBody) and body.error is not None:
                self._away(invocation, body.error)
                return decisions.unreadable(corrupt=isinstance(body.error, OffloadCorrupt))
            decision = decide(call, answer, attempts=invocation.attempts, unsure=invocation.unsure)
            if self._large is not None:
                await self._large.drop_unwanted(answer, decision)
        except OffloadError as error:
            self._away(invocation, error)
            return decisions.unkept(call, attempts=invocation.attempts)
        except Exception as error:  # noqa: BLE001 - the service may have taken the call: its callback must find it open
            self._stumbled(invocation, error)
            return decisions.KeepWaiting(None, InvocationReason.INTERNAL)
        seconds = time.monotonic() - began
        self._told(invocation, answer, decision, seconds=seconds)
        if self._tracing is not None:
            trace_call(self._tracing, invocation, headers, answer, decision, seconds=seconds)
        return decision

    def _spill(self, invocation: Invocation) -> Spill | None:
        if self._large is None or invocation.call.completion is not Completion.RESPONSE:
            return None
        begin = self._large.response(invocation)
        return Spill(threshold=self._large.threshold, limit=self._max_response, begin=begin)

    async def _settle(self, invocation: Invocation, decision: Decision) -> None:
        """Commit what was decided, and tell a waiting caller."""
        match decision:
            case decisions.Acknowledged(status):
                self._acknowledgements.took(invocation.job_id, invocation.call.service, status)
                if invocation.call.completion is Completion.NONE:
                    await self._record_unfenced(invocation, acknowledged_outcome(invocation, status))
                else:
                    taken = given_back(invocation, acknowledged=True, status=status)
                    self._ledger.acknowledge(taken, lost=self._unacknowledged)
            case decisions.Answered():
                await self._record_unfenced(invocation, result_outcome(invocation, decision))
            case decisions.TryAgain(delay, unsure, status, reason):
                await self._ledger.release(
                    given_back(invocation, retry_in=delay, unsure=unsure, status=status, reason=reason)
                )
            case decisions.Postponed(reason):
                await self._ledger.release(given_back(invocation, retry_in=POSTPONED, reason=reason, attempted=False))
            case decisions.KeepWaiting(status, reason):
                await self._ledger.release(given_back(invocation, unsure=True, status=status, reason=reason))
            case decisions.Refused(status, reason):
                refusal = no_result(invocation, OutcomeKind.REFUSED, reason, status)
                if not self._acknowledgements.refused(refusal):
                    await self._ledger.record(refusal, patient=True)
            case decisions.GiveUp(status, reason):
                await self._ledger.record(no_result(invocation, OutcomeKind.ERROR, reason, status), patient=True)

    async def _record_unfenced(self, invocation: Invocation, outcome: Outcome) -> None:
        """Record what counts whoever owns the row by now; stored or not, this process holds it no longer."""
        try:
            recorded = await self._ledger.record(outcome, patient=True)
        finally:
            self._ledger.registry.drop("invocation", invocation.job_id, invocation.call.service, invocation.claim)
        if self._large is not None:
            await self._large.drop_loser(outcome, recorded)

    def _told(self, invocation: Invocation, answer: Reply | Failure, decision: Decision, *, seconds: float) -> None:
        reason = getattr(decision, "reason", None)
        self._metrics.invocation_attempted(reason, seconds, route=invocation.route, service=invocation.call.service)
        self._log.info(
            Event.INVOCATION_ATTEMPTED,
            job_id=str(invocation.job_id),
            correlation_id=invocation.correlation_id,
            route=invocation.route,
            service=invocation.call.service,
            attempt=invocation.attempts + 1,
            status=answer.status if isinstance(answer, Reply) else None,
            failure=answer.kind if isinstance(answer, Failure) else None,
            decision=type(decision).__name__,
            reason=reason,
            seconds=round(seconds, 4),
        )
