"""Two replicas on a real database, driven step by step, and compared with the model after each step."""

import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg

from sidecar.ledger import Held, Ledger
from sidecar.ledger.registry import Table
from sidecar.model.delivery import Delivery, DeliveryState
from sidecar.model.invocation import Invocation
from sidecar.model.outcome import Fence, MessageKind, Outcome, OutcomeKind, ResultStatus, Verdict
from sidecar.model.retry import RedriveFilter, Retry, RetryVerdict
from sidecar.model.route import Gather
from tests.integration.ledger.kit import (
    ENDPOINT,
    SERVICE_KEY,
    Replica,
    make_end,
    make_job,
    make_refusal,
    make_release,
    make_result,
)
from tests.integration.ledger.retrying import BY, make_failure, make_retry_end
from tests.integration.ledger_model.model import Call, Job, Sequence
from tests.integration.ledger_model.model import Ledger as Model

SERVICES = ("billing", "risk", "stock")
DAY = 86_400.0
CALLS = (
    "SELECT job_id, service, outcome, worker, claim, takeovers, unsure,"
    " worker IS NULL AND coalesce(next_attempt_at <= now(), false) AS due FROM invocation WHERE job_id = ANY ($1)"
)
MESSAGES = "SELECT job_id, service, state, worker, claim, takeovers, status FROM delivery WHERE job_id = ANY ($1)"
SEQUENCES = (
    "SELECT job_id, service, state, worker, claim, takeovers, retry_count, redrives FROM oas_webhook_retry"
    " WHERE job_id = ANY ($1)"
)
UNFINISHED = {"open", "retrying"}
LATE = "UPDATE invocation SET deadline_at = now() - interval '1 second' WHERE job_id = $1 AND outcome IS NULL"

Work = Invocation | Delivery | Retry


def table_of(work: Work) -> Table:
    if isinstance(work, Invocation):
        return "invocation"
    return "delivery" if isinstance(work, Delivery) else "retry"


def service_of(work: Work) -> str:
    return work.call.service if isinstance(work, Invocation) else work.service


class Machine:
    """What can be done to the two, each step with what the model says of it.

    ``hands`` is the work that each replica knows that it has; ``stale`` is what slipped out of some hand, to be tried
    again where it must do nothing.
    """

    def __init__(self, replicas: tuple[Replica, Replica], direct: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.replicas = replicas
        self.direct = direct
        self.model = Model()
        self.hands: tuple[list[Work], list[Work]] = ([], [])
        self.stale: list[Work] = []

    @property
    def unfinished(self) -> int:
        """How many jobs have something open."""
        return sum(
            any(call.open for call in job.calls.values())
            or any(message.state in UNFINISHED for message in job.messages.values())
            for job in self.model.jobs.values()
        )

    def matters(self, work: Work) -> bool:
        """Tell whether the row of work that slipped away is still open, so that a missing fence would show."""
        job = self.model.jobs[work.job_id]
        if isinstance(work, Invocation):
            return job.calls[work.call.service].open
        message = job.messages[work.service]
        return message.state == ("open" if isinstance(work, Delivery) else "retrying")

    async def clean(self) -> None:
        """Begin with an empty ledger, whatever an example before left behind."""
        for table in ("oas_webhook_retry", "delivery", "invocation", "payload", "job"):
            await self.direct.execute(f"DELETE FROM {table}")
        for replica in self.replicas:
            replica.ledger.registry.forget_all()
            replica.taker.calls.clear()
            replica.taker.messages.clear()

    # What happens

    async def accept(self, at: int, services: int, *, aggregated: bool, owned: bool) -> None:
        ledger = self.replicas[at].ledger
        names = SERVICES[:services]
        gather = Gather.ALL if aggregated else Gather.EACH
        new = make_job(ledger, *names, owned=owned, gather=gather)
        await ledger.accept(new)
        owner = ledger.worker if owned else None
        calls = {name: Call(owner=owner, claim=int(owned), due=not owned) for name in names}
        self.model.jobs[new.job_id] = Job(aggregated, calls)
        self._take()

    async def release(self, work: Invocation, at: int, *, acknowledged: bool, unsure: bool) -> None:
        """Give a call back: taken by its service, or to be tried again."""
        call = self._call(work)
        owned = call.open and (call.owner, call.claim) == (work.worker, work.claim)
        end = make_release(
            work, acknowledged=acknowledged, unsure=unsure, retry_in=None if acknowledged else 0.0, status=202
        )
        assert await self.replicas[at].ledger.release(end) is owned
        self._let_go(work)
        if owned:
            call.owner, call.due, call.unsure = None, not acknowledged, call.unsure or unsure

    async def refuse(self, work: Invocation, at: int, *, full: bool) -> None:
        """Record that a service refused; never of a call that may have arrived."""
        call = self._call(work)
        outcome = make_refusal(work)
        owned = call.open and (call.owner, call.claim) == (work.worker, work.claim) and not call.unsure
        await self._record(outcome, at, wins=owned, full=full)
        if owned or work in self.hands[at]:  # elsewhere it changes nothing: its owner has it still
            self._let_go(work)

    async def acknowledge_for_good(self, work: Invocation, at: int, *, full: bool) -> None:
        """End a call that its service's taking it completes."""
        call = self._call(work)
        outcome = make_result(
            work.job_id,
            work.call.service,
            outcome=OutcomeKind.ACKNOWLEDGED,
            kind=None,
            body=b"",
            fence=Fence(work.worker, work.claim),
        )
        owned = call.open and (call.owner, call.claim) == (work.worker, work.claim)
        await self._record(outcome, at, wins=owned, full=full)
        self._let_go(work)

    async def call_back(self, key: tuple[UUID, str], at: int, body: bytes, *, failed: bool, full: bool) -> None:
        """Record a result, whoever owns the call."""
        status = ResultStatus.FAILED if failed else ResultStatus.SUCCEEDED
        outcome = make_result(*key, status=status, body=body)
        await self._record(outcome, at, wins=self.model.jobs[key[0]].calls[key[1]].open, full=full)

    async def run_late(self, job_id: UUID, at: int, *, full: bool) -> None:
        """Let the deadline of a job pass."""
        await self.direct.execute(LATE, job_id)
        ledger = self.replicas[at].ledger
        found = {(row.job_id, row.service) for row in await ledger.expired()}
        assert found == {(job_id, name) for name, call in self.model.jobs[job_id].calls.items() if call.open}
        for key in sorted(found):
            await self._record(sidecars_own(key, OutcomeKind.DEADLINE, b"late"), at, wins=True, full=full)

    async def end_parked(self, at: int) -> None:
        """End what crashed worker after worker."""
        found = {(row.job_id, row.service) for row in await self.replicas[at].ledger.parked_invocations()}
        assert found == {key for key, call in self.model.calls() if call.parked}
        for key in sorted(found):
            await self._record(sidecars_own(key, OutcomeKind.ERROR, b"crashed"), at, wins=True, full=False)

    async def finish(self, work: Delivery, at: int, state: DeliveryState) -> None:
        """End the first attempt at a message, or give it back."""
        message = self.model.jobs[work.job_id].messages[work.service]
        owned = message.state == "open" and (message.owner, message.claim) == (work.worker, work.claim)
        make = make_failure if state is DeliveryState.RETRYING else make_end
        assert await self.replicas[at].ledger.finish(make(work, state=state)) is owned
        self._let_go(work)
        if owned:
            message.state, message.owner = state, None
            if state is DeliveryState.RETRYING:
                message.sequence = Sequence()

    async def finish_retry(self, work: Retry, at: int, verdict: RetryVerdict, *, late: bool) -> None:
        """End an attempt of a sequence; ``late`` is beyond its budget."""
        message = self.model.jobs[work.job_id].messages[work.service]
        sequence = message.sequence
        assert sequence is not None
        owned = sequence.state == "pending" and (sequence.owner, sequence.claim) == (work.worker, work.claim)
        end = make_retry_end(work, verdict=verdict, delay=0.0, budget=-1.0 if late else DAY)
        told = await self.replicas[at].ledger.finish_retry(end)
        self._let_go(work)
        if not owned:
            assert told is None
            return
        sequence.owner = None
        if verdict is not RetryVerdict.DEFERRED:
            sequence.retries, sequence.takeovers = sequence.retries + 1, 0
        if verdict in {RetryVerdict.DELIVERED, RetryVerdict.FAILED} or (verdict is RetryVerdict.AGAIN and late):
            message.end_sequence("delivered" if verdict is RetryVerdict.DELIVERED else "failed")
        assert told == sequence.state

    async def claim(self, at: int, most: int) -> None:
        """Claim a few of everything that is due."""
        ledger = self.replicas[at].ledger
        self._look_anew(ledger)
        calls = {key: call for key, call in self.model.calls() if call.claimable}
        messages = {key: message for key, message in self.model.messages() if message.claimable}
        sequences = {
            key: message.sequence
            for key, message in self.model.messages()
            if message.sequence is not None and message.sequence.claimable
        }
        got: list[tuple[Any, Iterable[Work]]] = [
            (calls, await ledger.claim_invocations({SERVICE_KEY: most})),
            (messages, await ledger.claim_deliveries({ENDPOINT: most})),
            (sequences, await ledger.claim_retries({ENDPOINT: most})),
        ]
        for claimable, found in got:
            works = list(found)
            assert len(works) == min(most, len(claimable)), (claimable, works)
            for work in works:
                row = claimable[work.job_id, service_of(work)]  # what nobody may claim is not there
                row.owner, row.claim = ledger.worker, row.claim + 1
                assert (work.worker, work.claim) == (row.owner, row.claim)
                self.hands[at].append(work)

    async def die(self, at: int) -> None:
        """Be buried, notice it, and go on as another worker; what was in hand is others' now."""
        ledger = self.replicas[at].ledger
        await ledger._life.leave()
        assert not await ledger.beat()
        self.stale += self.hands[at]
        self.hands[at].clear()

    async def take_over(self, at: int) -> None:
        ledger = self.replicas[at].ledger
        self._look_anew(ledger)
        alive = {replica.ledger.worker for replica in self.replicas}
        assert await ledger.take_over() == self.model.take_over(alive)

    def forget(self, at: int, place: int) -> None:
        """Lose track of work, as a commit does whose answer never came."""
        hand = self.hands[at]
        work = hand.pop(place % len(hand))
        self.stale.append(work)
        registry = self.replicas[at].ledger.registry
        registry.drop(table_of(work), work.job_id, service_of(work), work.claim)

    async def reconcile(self, at: int) -> None:
        """Give back what the ledger says is ours and is not in our hand."""
        ledger = self.replicas[at].ledger
        self._look_anew(ledger)
        held = await ledger.held_too_long(0.0)
        mine = {(table_of(work), work.job_id, service_of(work), work.claim) for work in self.hands[at]}
        lost = [row for row in held if (row.table, row.job_id, row.service, row.claim) not in mine]
        known = [row for row in held if ledger.registry.holds(row.table, row.job_id, row.service, row.claim)]
        assert {id(row) for row in known}.isdisjoint(id(row) for row in lost), "held, and in nobody's hand"
        assert await ledger.give_back(lost) == len(lost)
        for row in lost:
            self._lost(row)

    async def redrive(self, job_id: UUID, at: int, *, new_id: bool) -> None:
        redrive = self.replicas[at].ledger.redrive
        done = await redrive.redrive(RedriveFilter(job_id=job_id), by=BY, retention=14 * DAY, new_id=new_id)
        assert done == self.model.redrive(job_id)

    async def cancel(self, job_id: UUID, at: int) -> None:
        done = await self.replicas[at].ledger.redrive.cancel(RedriveFilter(job_id=job_id), by=BY)
        assert done == self.model.cancel(job_id)

    # What holds

    async def check(self) -> None:
        """Compare every row with the model."""
        ids = list(self.model.jobs)
        found_calls = {
            (UUID(int=row["job_id"].int), row["service"]): tuple(row)[2:] for row in await self.direct.fetch(CALLS, ids)
        }
        assert found_calls == {
            key: (c.outcome, c.owner, c.claim, c.takeovers, c.unsure, c.claimable) for key, c in self.model.calls()
        }
        rows = {(UUID(int=row["job_id"].int), row["service"]): row for row in await self.direct.fetch(MESSAGES, ids)}
        assert {key: tuple(row)[2:6] for key, row in rows.items()} == {
            key: (m.state, m.owner, m.claim, m.takeovers) for key, m in self.model.messages()
        }
        for (job_id, service), row in rows.items():
            assert row["status"] == self._status(job_id, service)
        found_sequences = {
            (UUID(int=row["job_id"].int), row["service"]): tuple(row)[2:]
            for row in await self.direct.fetch(SEQUENCES, ids)
        }
        assert found_sequences == {
            key: (s.state, s.owner, s.claim, s.takeovers, s.retries, s.redrives)
            for key, message in self.model.messages()
            if (s := message.sequence) is not None
        }

    async def drain(self, chance: random.Random) -> None:
        """Let everything come to its end: nothing may be stuck."""
        for at in (0, 1):
            await self.reconcile(at)
            await self.take_over(at)
        await self.end_parked(0)
        for key, call in list(self.model.calls()):
            if call.open:
                await self.call_back(key, chance.randrange(2), b"at last", failed=False, full=False)
        for _ in range(3):
            for at in (0, 1):
                await self.claim(at, 1000)
                for work in list(self.hands[at]):
                    if isinstance(work, Delivery):
                        await self.finish(work, at, DeliveryState.DELIVERED)
                    elif isinstance(work, Retry):
                        await self.finish_retry(work, at, RetryVerdict.DELIVERED, late=False)
                    else:
                        await self.release(work, at, acknowledged=True, unsure=False)
        await self.check()
        assert [key for key, call in self.model.calls() if call.open] == []
        assert [key for key, message in self.model.messages() if message.state in UNFINISHED] == []

    # Helpers

    async def _record(self, outcome: Outcome, at: int, *, wins: bool, full: bool) -> None:
        replica = self.replicas[at]
        replica.taker.full = [ENDPOINT] if full else []
        job = self.model.jobs[outcome.job_id]
        call = job.calls[outcome.service]
        expected = Verdict.WON if wins else loser(call, outcome)
        recorded = await replica.ledger.record(outcome)
        assert recorded.verdict is expected, (recorded, expected)
        if wins:
            told = outcome.kind is not None
            job.end(
                outcome.service,
                outcome.outcome,
                digest=outcome.digest() if told else None,
                failed=outcome.status is not ResultStatus.SUCCEEDED,
                owner=None if full else replica.ledger.worker,
            )
        else:
            assert wins is False
            assert recorded.standing == call.outcome
        self._take()

    def _status(self, job_id: UUID, service: str) -> str:
        job = self.model.jobs[job_id]
        if service:
            return "failed" if job.calls[service].failed else "succeeded"
        failed = sum(call.failed for call in job.calls.values())
        return {0: "succeeded", len(job.calls): "failed"}.get(failed, "partial")

    def _call(self, work: Invocation) -> Call:
        return self.model.jobs[work.job_id].calls[work.call.service]

    def _take(self) -> None:
        """Take into each hand what was handed over."""
        for hand, replica in zip(self.hands, self.replicas, strict=True):
            hand += [*replica.taker.calls, *replica.taker.messages]
            replica.taker.calls.clear()
            replica.taker.messages.clear()

    def _let_go(self, work: Work) -> None:
        for hand in self.hands:
            if work in hand:
                hand.remove(work)
                self.stale.append(work)

    def _lost(self, row: Held) -> None:
        job = self.model.jobs[row.job_id]
        if row.table == "invocation":
            job.calls[row.service].lose_owner()
        elif row.table == "delivery":
            job.messages[row.service].lose_owner()
        else:
            job.messages[row.service].lose_sequence_owner()

    @staticmethod
    def _look_anew(ledger: Ledger) -> None:
        """Do not wait for the half minute after which a replica looks at everything anew."""
        for horizon in (ledger._sweeps._horizon, ledger._sweeps._retrying):
            horizon.look_again()


def loser(call: Call, outcome: Outcome) -> Verdict:
    """Tell what is said of an outcome that does not stand."""
    if call.open:
        return Verdict.FENCED
    if call.digest is not None and call.digest == outcome.digest():
        return Verdict.SAME
    return Verdict.EXPIRED if call.outcome == OutcomeKind.DEADLINE else Verdict.OTHER


def sidecars_own(key: tuple[UUID, str], kind: OutcomeKind, body: bytes) -> Outcome:
    """An error that the sidecar makes itself."""
    return make_result(*key, outcome=kind, status=ResultStatus.FAILED, kind=MessageKind.ERROR, body=body, reason=kind)
