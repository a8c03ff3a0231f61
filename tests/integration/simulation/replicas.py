"""A replica: a ledger, its two stages and its duties, and the ways in which it can go wrong."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from sidecar.ledger import Ledger, LedgerConfig, OpenInvocation
from sidecar.model.delivery import Delivery, DeliveryEnd, DeliveryState
from sidecar.model.errors import LedgerError
from sidecar.model.invocation import Invocation, Release
from sidecar.model.outcome import Fence, MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.reasons import InvocationReason
from sidecar.model.retry import EndpointState, Retry, RetryEnd, RetryVerdict
from tests.integration.simulation.faults import LossyLink, abandon
from tests.integration.simulation.world import DEAD_BUDGET, DEAD_ENDPOINT, Answer, World

DEAD_AFTER = 0.8
RECONCILE_AFTER = 1.0
BUDGET = 60.0  # of retries, where somebody is there in the end
PAUSE = 0.3  # of an open circuit
PLACES = 20


def budget_of(endpoint: str) -> float:
    return DEAD_BUDGET if endpoint == DEAD_ENDPOINT else BUDGET


def error(row: OpenInvocation | Invocation, *, kind: OutcomeKind, reason: str, fence: Fence | None) -> Outcome:
    return Outcome(
        job_id=row.job_id,
        service=row.call.service,
        outcome=kind,
        status=ResultStatus.FAILED,
        kind=MessageKind.ERROR,
        headers=b"",
        body=b"error",
        reason=reason,
        fence=fence,
    )


class Replica:
    """Runs until it is killed or stopped. ``silent``: it does not beat, and does not look at its fence either."""

    def __init__(self, dsn: str, world: World, rng: random.Random, *, prepare: Callable[[Ledger], None]) -> None:
        self.silent = False
        self.alive = False
        self._world = world
        self._rng = rng
        self._duties: set[asyncio.Task[None]] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._away: dict[str, EndpointState] = {}
        self.ledger = Ledger(LedgerConfig(dsn=dsn, pool=3, dead_after=DEAD_AFTER), self, on_death=self.drop_work)
        prepare(self.ledger)
        for lane in (self.ledger._hot, self.ledger._large):
            lane.link = LossyLink(lane.link, rng)  # type: ignore[assignment]

    async def start(self) -> None:
        await self.ledger.start()
        self.alive = True
        for duty, pause in self.duties():
            self._spawn(self._duties, self._again_and_again(duty, pause))

    def duties(self) -> list[tuple[Callable[[], Coroutine[Any, Any, object]], float]]:
        return [
            (self.beat, DEAD_AFTER / 6),
            (self.take_over, 0.1),
            (self.reconcile, 0.3),
            (self.claim_invocations, 0.03),
            (self.learn_who_is_away, 0.05),
            (self.claim_deliveries, 0.03),
            (self.claim_retries, 0.03),
            (self.give_up, 0.2),
            (self.end_what_is_over, 0.2),
        ]

    async def kill(self) -> None:
        """Die without a word: what is under way is lost, what was sent to the database may still be done."""
        self.alive = False
        await abandon(self.ledger)
        await self._end_tasks()

    async def stop(self) -> None:
        self.alive = False
        await self._end_tasks()
        await self.ledger.stop()

    async def _end_tasks(self) -> None:
        tasks = self._duties | self._work
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def drop_work(self) -> None:
        """Forget everything: others buried us, and our rows are theirs."""
        for task in self._work:
            task.cancel()

    @staticmethod
    def _spawn(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _again_and_again(self, duty: Callable[[], Coroutine[Any, Any, object]], pause: float) -> None:
        while True:
            with suppress(LedgerError):  # next time
                await duty()
            await asyncio.sleep(pause * self._rng.uniform(0.8, 1.2))

    # What the ledger hands over

    def invocations(self, work: Sequence[Invocation], /) -> None:
        for item in work:
            self._spawn(self._work, self.call(item))

    def deliveries(self, work: Sequence[Delivery], /) -> None:
        for item in work:
            self._spawn(self._work, self.deliver(item))

    def full_endpoints(self) -> Sequence[str]:
        return tuple(self._away)

    # Stages

    async def call(self, item: Invocation) -> None:
        try:
            if not (self.silent or self.ledger.may_act(item.worker)):
                await self.release(item, retry_in=0.05, attempted=False)
                return
            answer = await self._world.call(item)
            if answer is Answer.TOOK:
                await self.release(item, acknowledged=True)
            elif answer is Answer.BUSY:
                await self.release(item, retry_in=0.05)
            elif answer is Answer.SILENCE:
                await self.release(item, retry_in=0.05, unsure=True)
            elif item.unsure:
                await self.release(item, unsure=True)
            else:
                fence = Fence(item.worker, item.claim)
                refusal = error(item, kind=OutcomeKind.REFUSED, reason=InvocationReason.REFUSED, fence=fence)
                await self.ledger.record(refusal)
        except LedgerError:
            pass  # reconciling finds the row

    async def release(self, item: Invocation, **over: Any) -> None:
        given = {"acknowledged": False, "unsure": False, "retry_in": None, "status": None, "reason": None, **over}
        await self.ledger.release(Release(item.job_id, item.call.service, item.worker, item.claim, **given))

    async def deliver(self, item: Delivery) -> None:
        owned = (item.job_id, item.service, item.worker, item.claim)
        try:
            done = await self._send(item)
            state = {True: DeliveryState.DELIVERED, False: DeliveryState.RETRYING, None: DeliveryState.OPEN}[done]
            end = DeliveryEnd(
                *owned, state, None, None, retry_in=0.05, attempted=done is not None, budget=budget_of(item.endpoint)
            )
            await self.ledger.finish(end)
            await self._heed(item.endpoint, done=done)
        except LedgerError:
            self.ledger.registry.drop("delivery", item.job_id, item.service, item.claim)

    async def resend(self, item: Retry) -> None:
        owned = (item.job_id, item.service, item.worker, item.claim)
        try:
            done = await self._send(item)
            verdict = {True: RetryVerdict.DELIVERED, False: RetryVerdict.AGAIN, None: RetryVerdict.DEFERRED}[done]
            await self.ledger.finish_retry(RetryEnd(*owned, verdict, delay=0.1, budget=budget_of(item.endpoint)))
            await self._heed(item.endpoint, done=done)
        except LedgerError:
            self.ledger.registry.drop("retry", item.job_id, item.service, item.claim)

    async def _send(self, item: Delivery | Retry) -> bool | None:
        """Send a message; None if that was not ours to do."""
        parts = await self.ledger.parts(item.job_id) if item.kind is MessageKind.AGGREGATE else []
        if not (self.silent or self.ledger.may_act(item.worker)):
            return None
        return await self._world.deliver(item, parts)

    async def _heed(self, endpoint: str, *, done: bool | None) -> None:
        if done and endpoint in self._away:
            await self.ledger.endpoints.close(endpoint)
        elif done is False and not self._world.reachable(endpoint):
            await self.ledger.endpoints.open(endpoint, seconds=PAUSE, reason="connect")

    # Duties

    async def beat(self) -> None:
        if not self.silent:
            await self.ledger.beat()
            await self.ledger.observe()

    async def take_over(self) -> None:
        while await self.ledger.take_over():
            pass

    async def reconcile(self) -> None:
        holds = self.ledger.registry.holds
        rows = await self.ledger.held_too_long(RECONCILE_AFTER)
        await self.ledger.give_back([r for r in rows if not holds(r.table, r.job_id, r.service, r.claim)])

    async def claim_invocations(self) -> None:
        names = (await self.ledger.service_keys_with_work()).names
        self.invocations(await self.ledger.claim_invocations(dict.fromkeys(names, 20)))

    async def claim_deliveries(self) -> None:
        names = (await self.ledger.endpoints_with_work()).names
        self.deliveries(await self.ledger.claim_deliveries(await self._places(names)))

    async def claim_retries(self) -> None:
        names = (await self.ledger.retry_endpoints_with_work()).names
        for retry in await self.ledger.claim_retries(await self._places(names)):
            self._spawn(self._work, self.resend(retry))

    async def learn_who_is_away(self) -> None:
        self._away = {state.endpoint: state for state in await self.ledger.endpoints.away()}

    async def give_up(self) -> None:
        await self.ledger.retries.unreachable([DEAD_ENDPOINT], budget=DEAD_BUDGET)

    async def _places(self, endpoints: Sequence[str]) -> dict[str, int]:
        """Give each endpoint its places: none while it is away, but for the one probe."""
        places = {endpoint: PLACES for endpoint in endpoints if endpoint not in self._away}
        for endpoint in endpoints:
            state = self._away.get(endpoint)
            probed = state is not None and state.remaining <= 0 and not state.probing
            if probed and await self.ledger.endpoints.probe(endpoint, seconds=1.0):
                places[endpoint] = 1
        return places

    async def end_what_is_over(self) -> None:
        late = await self.ledger.expired()
        parked = await self.ledger.parked_invocations()
        outcomes = [error(r, kind=OutcomeKind.DEADLINE, reason=InvocationReason.DEADLINE, fence=None) for r in late]
        outcomes += [
            error(r, kind=OutcomeKind.ERROR, reason=InvocationReason.CRASHED_WORKERS, fence=None) for r in parked
        ]
        await asyncio.gather(*(self.ledger.record(outcome) for outcome in outcomes))
