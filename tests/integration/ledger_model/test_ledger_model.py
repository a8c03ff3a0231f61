"""The real SQL against a simple model: whatever two replicas do in whatever order, every row is as the rules say.

``LEDGER_EXAMPLES=1000 .venv/bin/pytest tests/integration/ledger_model`` looks longer.
"""

import asyncio
import os
import random
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from sidecar.ledger.sqlfiles import Queries
from sidecar.model.delivery import Delivery, DeliveryState
from sidecar.model.errors import LedgerRejected
from sidecar.model.invocation import Invocation
from sidecar.model.retry import Retry, RetryVerdict
from tests.integration.ledger.kit import replica
from tests.integration.ledger_model.machine import Machine, Work

T = TypeVar("T")
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "60"))
STEPS = 50
MOST_JOBS = 3
"""Unfinished at a time: with few of them, steps meet at the same rows."""
ENDS = [state for state in DeliveryState if state is not DeliveryState.CANCELLED]

which = st.integers(0, 10_000)
at = st.sampled_from([0, 1])
yes = st.booleans()


class Site:
    """Two replicas on one database and on one loop, for all examples of a test."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._stack = AsyncExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def open(self) -> None:
        async def enter() -> None:
            first = await self._stack.enter_async_context(replica(self._dsn, dead_after=600.0))
            second = await self._stack.enter_async_context(replica(self._dsn, dead_after=600.0))
            self.replicas = (first, second)
            self.direct = await asyncpg.connect(self._dsn)

        self.run(enter())

    def close(self) -> None:
        async def leave() -> None:
            await self.direct.close()
            await self._stack.aclose()

        self.run(leave())
        self._runner.close()


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    opened = Site(database)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


class LedgerMachine(RuleBasedStateMachine):
    """The steps that two replicas can take, on a site that a subclass names."""

    site: ClassVar[Site]

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(self.site.replicas, self.site.direct)
        self.site.run(self.machine.clean())

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        async def checked() -> None:
            await step
            await self.machine.check()

        self.site.run(checked())

    def works(self, kind: type[Work]) -> list[Any]:
        """What of a kind somebody has, or had and could still do harm with."""
        m = self.machine
        slipped = [work for work in m.stale if m.matters(work)]
        return [work for work in (*slipped, *m.hands[0], *m.hands[1]) if isinstance(work, kind)]

    def job(self, number: int) -> Any:
        jobs = list(self.machine.model.jobs)
        return jobs[number % len(jobs)]

    @precondition(lambda self: self.machine.unfinished < MOST_JOBS)
    @rule(at=at, services=st.integers(1, 3), aggregated=yes, owned=yes)
    def accept(self, at: int, services: int, aggregated: bool, owned: bool) -> None:  # noqa: FBT001
        self.do(self.machine.accept(at, services, aggregated=aggregated, owned=owned))

    @precondition(lambda self: self.works(Invocation))
    @rule(number=which, at=at, acknowledged=yes, unsure=yes)
    def release(self, number: int, at: int, acknowledged: bool, unsure: bool) -> None:  # noqa: FBT001
        works = self.works(Invocation)
        self.do(self.machine.release(works[number % len(works)], at, acknowledged=acknowledged, unsure=unsure))

    @precondition(lambda self: self.works(Invocation))
    @rule(number=which, at=at, full=yes, for_good=yes)
    def end_call(self, number: int, at: int, full: bool, for_good: bool) -> None:  # noqa: FBT001
        works = self.works(Invocation)
        end = self.machine.acknowledge_for_good if for_good else self.machine.refuse
        self.do(end(works[number % len(works)], at, full=full))

    @precondition(lambda self: self.machine.model.jobs)
    @rule(number=which, at=at, body=st.sampled_from([b"one", b"two"]), failed=yes, full=yes)
    def call_back(self, number: int, at: int, body: bytes, failed: bool, full: bool) -> None:  # noqa: FBT001
        keys = [key for key, _ in self.machine.model.calls()]
        self.do(self.machine.call_back(keys[number % len(keys)], at, body, failed=failed, full=full))

    @precondition(lambda self: self.machine.model.jobs)
    @rule(number=which, at=at, full=yes)
    def run_late(self, number: int, at: int, full: bool) -> None:  # noqa: FBT001
        self.do(self.machine.run_late(self.job(number), at, full=full))

    @rule(at=at)
    def end_parked(self, at: int) -> None:
        self.do(self.machine.end_parked(at))

    @precondition(lambda self: self.works(Delivery))
    @rule(number=which, at=at, state=st.sampled_from(ENDS))
    def finish(self, number: int, at: int, state: DeliveryState) -> None:
        works = self.works(Delivery)
        self.do(self.machine.finish(works[number % len(works)], at, state))

    @precondition(lambda self: self.works(Retry))
    @rule(number=which, at=at, verdict=st.sampled_from(list(RetryVerdict)), late=yes)
    def finish_retry(self, number: int, at: int, verdict: RetryVerdict, late: bool) -> None:  # noqa: FBT001
        works = self.works(Retry)
        self.do(self.machine.finish_retry(works[number % len(works)], at, verdict, late=late))

    @rule(at=at, most=st.integers(1, 4))
    def claim(self, at: int, most: int) -> None:
        self.do(self.machine.claim(at, most))

    @rule(at=at)
    def die(self, at: int) -> None:
        self.do(self.machine.die(at))

    @rule(at=at)
    def take_over(self, at: int) -> None:
        self.do(self.machine.take_over(at))

    @precondition(lambda self: any(self.machine.hands))
    @rule(place=which, again=yes)
    def forget(self, place: int, again: bool) -> None:  # noqa: FBT001
        at = 0 if self.machine.hands[0] else 1
        self.machine.forget(at, place)
        if again:  # and find the same work again, under another claim
            self.do(self.machine.reconcile(at))
            self.do(self.machine.claim(at, 4))

    @rule(at=at)
    def reconcile(self, at: int) -> None:
        self.do(self.machine.reconcile(at))

    @precondition(lambda self: self.machine.model.jobs)
    @rule(number=which, at=at, new_id=yes)
    def redrive(self, number: int, at: int, new_id: bool) -> None:  # noqa: FBT001
        self.do(self.machine.redrive(self.job(number), at, new_id=new_id))

    @precondition(lambda self: self.machine.model.jobs)
    @rule(number=which, at=at)
    def cancel(self, number: int, at: int) -> None:
        self.do(self.machine.cancel(self.job(number), at))

    def teardown(self) -> None:
        self.site.run(self.machine.drain(random.Random(1)))


def play(site: Site, *, examples: int, thorough: bool = True) -> None:
    """Run the machine; without ``thorough`` it stops at the first failure and does not look for a shorter one."""
    run_state_machine_as_test(
        type("OnThisSite", (LedgerMachine,), {"site": site}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=not thorough,
            phases=tuple(Phase) if thorough else (Phase.generate,),
        ),
    )


@pytest.mark.timeout(1800)
def test_every_interleaving_leaves_the_rows_that_the_rules_say(site: Site) -> None:
    play(site, examples=EXAMPLES)


def test_a_refusal_elsewhere_of_what_may_have_run_changes_nothing(site: Site) -> None:
    """A story that chance finds seldom: the call is open, and in its owner's hand, as before."""
    story: Any = type("OnThisSite", (LedgerMachine,), {"site": site})()
    machine = story.machine
    story.do(machine.accept(0, 1, aggregated=False, owned=False))
    story.do(machine.claim(0, 1))
    story.do(machine.release(machine.hands[0][0], 0, acknowledged=False, unsure=True))
    story.do(machine.claim(0, 1))
    story.do(machine.refuse(machine.hands[0][0], 1, full=False))
    story.do(machine.reconcile(0))
    assert len(machine.hands[0]) == 1
    story.teardown()


@pytest.mark.parametrize(
    ("queue", "text", "cut"),
    [
        pytest.param("_release", "_query", "i.worker = c.worker AND i.claim = c.claim AND", id="calls are not fenced"),
        pytest.param(
            "_record",
            "_queries",
            "AND CASE WHEN i.outcome IS NULL THEN true END",
            id="the first outcome does not stand",
        ),
    ],
)
def test_without_a_rule_the_model_is_contradicted(site: Site, queue: str, text: str, cut: str) -> None:
    for replica_ in site.replicas:
        kind = getattr(replica_.ledger, queue).kind
        before = getattr(kind, text)
        if isinstance(before, Queries):
            assert cut in before.record
            setattr(kind, text, replace(before, record=before.record.replace(cut, "")))
        else:
            assert cut in before
            setattr(kind, text, before.replace(cut, ""))
    with pytest.raises((AssertionError, LedgerRejected)):  # the tables notice some of it themselves
        play(site, examples=300, thorough=False)
