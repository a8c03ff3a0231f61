"""The small duties: beat, take-over, reconcile, partitions."""

from collections.abc import Iterable, Sequence

import pytest

from sidecar.ledger import Held, Pruned, Registry
from sidecar.model.errors import LedgerUnavailable
from sidecar.schedule.beat import Beat
from sidecar.schedule.partitions import Partitions
from sidecar.schedule.reconcile import Reconcile
from sidecar.schedule.takeover import TakeOver
from tests.unit.builders import JOB, Lines


class Workers:
    def __init__(self, fault: Exception | None = None, *, since_beat: float = 3.0, dead: int = 0) -> None:
        self.calls: list[str] = []
        self._fault = fault
        self._since_beat = since_beat
        self._dead = dead

    def since_beat(self) -> float:
        return self._since_beat

    async def beat(self) -> bool:
        self.calls.append("beat")
        if self._fault is not None:
            raise self._fault
        return True

    async def observe(self) -> int:
        self.calls.append("observe")
        return self._dead

    def buried(self) -> None:
        self.calls.append("buried")

    async def live(self) -> list[str]:
        assert not await Beat(self, interval=3.0, buried=self.buried).run_once()
        return self.calls


async def test_a_worker_beats_before_it_looks_at_the_others() -> None:
    assert await Workers().live() == ["beat", "observe"]


async def test_a_worker_looks_more_often_than_it_beats() -> None:
    assert await Workers(since_beat=2.9).live() == ["observe"]


async def test_a_burial_is_told_at_once() -> None:
    assert await Workers(since_beat=0.5, dead=1).live() == ["observe", "buried"]


async def test_who_cannot_beat_buries_nobody() -> None:
    workers = Workers(LedgerUnavailable("away"), since_beat=float("inf"), dead=1)
    with pytest.raises(LedgerUnavailable):
        await workers.live()
    assert workers.calls == ["beat"]


async def test_a_beat_that_does_not_come_through_is_not_tried_at_every_look() -> None:
    workers = Workers(LedgerUnavailable("away"), since_beat=float("inf"), dead=1)
    beat = Beat(workers, interval=3.0, buried=workers.buried)
    with pytest.raises(LedgerUnavailable):
        await beat.run_once()
    assert not await beat.run_once()
    assert workers.calls == ["beat"]  # and who cannot beat still buries nobody
    again = Beat(workers, interval=0.0, buried=workers.buried)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await again.run_once()
    assert workers.calls == ["beat", "beat", "beat"]


class Dead:
    def __init__(self, *rows: int) -> None:
        self._rows = list(rows)

    async def take_over(self) -> int:
        return self._rows.pop(0)


async def test_the_work_of_the_dead_is_freed_until_there_is_none() -> None:
    lines = Lines()
    looks: list[str] = []
    duty = TakeOver(Dead(500, 3, 0), freed=lambda: looks.append("claim"), log=lines.log)
    assert [await duty.run_once() for _ in range(3)] == [True, True, False]
    assert looks == ["claim"] * 2
    assert [(line["event"], line["rows"]) for line in lines.events()] == [
        ("work.taken_over", 500),
        ("work.taken_over", 3),
    ]


class Mine:
    """What the ledger says is ours."""

    def __init__(self, *rows: Held) -> None:
        self.registry = Registry()
        self.rows = rows
        self.given_back: list[Held] = []
        self.older_than = 0.0

    async def held_too_long(self, older_than: float) -> Sequence[Held]:
        self.older_than = older_than
        return self.rows

    async def give_back(self, rows: Iterable[Held]) -> int:
        self.given_back += rows
        return len(self.given_back)


async def test_only_rows_that_nobody_here_holds_under_that_claim_are_given_back() -> None:
    held, later, lost, other = (
        Held("invocation", JOB, "held", 7, 1),
        Held("invocation", JOB, "later", 7, 1),
        Held("invocation", JOB, "lost", 7, 1),
        Held("delivery", JOB, "held", 7, 1),
    )
    ledger, lines = Mine(held, later, lost, other), Lines()
    ledger.registry.hold("invocation", JOB, "held", 1)
    ledger.registry.hold("invocation", JOB, "later", 2)
    assert not await Reconcile(ledger, older_than=30.0, log=lines.log).run_once()
    assert ledger.given_back == [later, lost, other]
    assert ledger.older_than == 30.0
    assert [(line["event"], line["rows"]) for line in lines.events()] == [("work.reconciled", 3)]


async def test_what_came_to_be_held_while_the_ledger_was_asked_is_not_given_back() -> None:
    class Slow(Mine):
        async def held_too_long(self, older_than: float) -> Sequence[Held]:
            self.registry.hold("invocation", JOB, "held", 1)
            return await super().held_too_long(older_than)

    ledger, lines = Slow(Held("invocation", JOB, "held", 7, 1)), Lines()
    await Reconcile(ledger, older_than=30.0, log=lines.log).run_once()
    assert (ledger.given_back, lines.names()) == ([], [])


class Days:
    def __init__(self, made: int, *dropped: str) -> None:
        self.calls: list[tuple[str, float, float]] = []
        self._made = made
        self._dropped = dropped

    async def ensure_partitions(self, days_ahead: int) -> int:
        self.calls.append(("ensure", days_ahead, 0))
        return self._made

    async def prune(self, retention: float, *, audit: float) -> Pruned:
        self.calls.append(("prune", retention, audit))
        return Pruned(partitions=self._dropped, idempotency_keys=0, workers=0)


async def test_days_are_made_before_days_are_dropped() -> None:
    ledger, lines = Days(2, "job_p20260101"), Lines()
    assert not await Partitions(ledger, days_ahead=3, retention=60.0, audit=90.0, log=lines.log).run_once()
    assert ledger.calls == [("ensure", 3, 0), ("prune", 60.0, 90.0)]
    assert lines.names() == ["partition.created", "partition.dropped"]


async def test_where_nothing_is_made_or_dropped_nothing_is_told() -> None:
    lines = Lines()
    await Partitions(Days(0), days_ahead=3, retention=60.0, audit=90.0, log=lines.log).run_once()
    assert lines.names() == []
