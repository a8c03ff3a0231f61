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
from tests.integration.simulation.faults import LossyLink, abandon
from tests.integration.simulation.world import Answer, World

DEAD_AFTER = 0.8
RECONCILE_AFTER = 1.0
TRIES = 6  # at the webhook


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
            (self.claim_deliveries, 0.03),
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
        return ()

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
        try:
            parts = await self.ledger.parts(item.job_id) if item.kind is MessageKind.AGGREGATE else []
            done = (self.silent or self.ledger.may_act(item.worker)) and await self._world.deliver(item, parts)
            over = item.attempts + 1 >= TRIES and not self._world.reachable(item)
            state = DeliveryState.DELIVERED if done else DeliveryState.FAILED if over else DeliveryState.OPEN
            end = DeliveryEnd(
                item.job_id, item.service, item.worker, item.claim, state, 200 if done else None, None, retry_in=0.05
            )
            await self.ledger.finish(end)
        except LedgerError:
            self.ledger.registry.drop("delivery", item.job_id, item.service, item.claim)

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
        self.deliveries(await self.ledger.claim_deliveries(dict.fromkeys(names, 20)))

    async def end_what_is_over(self) -> None:
        late = await self.ledger.expired()
        parked = await self.ledger.parked_invocations()
        outcomes = [error(r, kind=OutcomeKind.DEADLINE, reason=InvocationReason.DEADLINE, fence=None) for r in late]
        outcomes += [
            error(r, kind=OutcomeKind.ERROR, reason=InvocationReason.CRASHED_WORKERS, fence=None) for r in parked
        ]
        await asyncio.gather(*(self.ledger.record(outcome) for outcome in outcomes))
