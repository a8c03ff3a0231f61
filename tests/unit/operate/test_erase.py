"""The order of an erasure: noted, rows, objects, done; whatever interrupts it, a repetition finishes it."""

from uuid import UUID

import pytest

from sidecar.ledger.audit import AuditEntry
from sidecar.ledger.erase import Wiped
from sidecar.model.audit import Actor
from sidecar.model.errors import LedgerUnavailable
from sidecar.offload.errors import OffloadUnavailable
from sidecar.offload.keys import job_prefix
from sidecar.operate.erase import Erased, Eraser, NotErasedError
from tests.unit.builders import JOB, NOW, make_stored

ELSEWHERE = make_stored(bucket="old", key="before/of-older-settings")


class World:
    """Rows, notes and objects in one; every call is noted."""

    def __init__(self, wiped: Wiped | None) -> None:
        self.calls: list[object] = []
        self.wiped = wiped
        self.store_away = False
        self.rows_away = False
        self.known = True

    async def write(self, entry: AuditEntry) -> int:
        self.calls.append((entry.actor, entry.role, entry.action, entry.target))
        return 1

    async def wipe(self, job_id: UUID, *, cancel: bool) -> Wiped | None:
        self.calls.append(("wipe", job_id, cancel))
        return self.wiped

    async def erase(self, prefix: str, *, bucket: str | None = None) -> int:
        if self.store_away:
            raise OffloadUnavailable("the store is away")
        self.calls.append(("erase", bucket, prefix))
        return 1

    async def erased(self, job_id: UUID) -> bool:
        if self.rows_away:
            raise LedgerUnavailable("away")
        self.calls.append(("erased", job_id))
        known, self.known = self.known, False
        return known


def make_wiped(*, calling: bool = False, sending: bool = False, done: bool = True) -> Wiped:
    return Wiped(None, calling, sending, done, bodies=2 if done else 0, objects=(ELSEWHERE.dump(),))


def eraser(world: World, *, store: bool = True) -> Eraser:
    return Eraser(world, world, store=world if store else None, places=[(None, "sidecar/")], by=Actor("me@here", "cli"))


NOTED = ("me@here", "cli", "erase", str(JOB))
PREFIX = job_prefix("sidecar/", JOB)


async def test_it_is_noted_before_rows_go_and_objects_follow_wherever_they_lie() -> None:
    world = World(make_wiped())
    assert await eraser(world).erase(JOB, cancel=False) == Erased(2, 2, before=False)
    first, second, *objects, last = world.calls
    assert (first, second, last) == (NOTED, ("wipe", JOB, False), ("erased", JOB))
    assert sorted(objects, key=str) == [("erase", "old", ELSEWHERE.key), ("erase", None, PREFIX)]


async def test_a_store_that_is_away_leaves_the_rest_to_a_repetition() -> None:
    world = World(make_wiped())
    world.store_away = True
    with pytest.raises(OffloadUnavailable):
        await eraser(world).erase(JOB, cancel=False)
    assert ("erased", JOB) not in world.calls
    world.store_away = False
    await eraser(world).erase(JOB, cancel=False)
    assert world.calls[-1] == ("erased", JOB)


async def test_a_crash_between_objects_and_their_rows_is_finished_by_a_repetition() -> None:
    world = World(make_wiped())
    world.rows_away = True
    with pytest.raises(LedgerUnavailable):
        await eraser(world).erase(JOB, cancel=False)
    world.rows_away = False
    assert not (await eraser(world).erase(JOB, cancel=False)).before
    world.wiped = Wiped(NOW, calling=False, sending=False, done=True, bodies=0, objects=())
    assert (await eraser(world, store=False).erase(JOB, cancel=False)).before


@pytest.mark.parametrize(
    ("wiped", "said"),
    [
        (None, "there is no job"),
        (make_wiped(calling=True, done=False), "still waits for a service; .* --cancel"),
        (make_wiped(sending=True, done=False), "has a message that is still to be sent; .* --cancel"),
    ],
)
async def test_what_cannot_be_erased_is_told_with_its_remedy(wiped: Wiped | None, said: str) -> None:
    world = World(wiped)
    with pytest.raises(NotErasedError, match=said):
        await eraser(world).erase(JOB, cancel=False)
    assert world.calls == [NOTED, ("wipe", JOB, False)]


async def test_objects_without_a_store_in_the_settings_are_told() -> None:
    world = World(make_wiped())
    with pytest.raises(NotErasedError, match=r"lie in the bucket old.* name offload\.bucket"):
        await eraser(world, store=False).erase(JOB, cancel=True)
    world.wiped = Wiped(None, calling=False, sending=False, done=True, bodies=1, objects=())
    assert await eraser(world, store=False).erase(JOB, cancel=True) == Erased(1, 0, before=False)
