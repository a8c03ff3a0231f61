"""The duties around retries: endpoints that are away, bodies that move, objects that are over."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from sidecar.model.retry import KnownObject, Unmoved
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from sidecar.offload.errors import OffloadError, OffloadRefused, OffloadUnavailable
from sidecar.offload.store import ObjectStore
from sidecar.schedule.endpoints import Endpoints
from sidecar.schedule.offload import Offload
from sidecar.schedule.prune_objects import PruneObjects
from tests.unit.builders import JOB, Lines, make_stored

PARTNER = "https://hooks.partner.example:443/"
REFUSED = OffloadRefused("no", code="AccessDenied", status=403)


class Away:
    """Health, waiting messages and retries in one; every call is noted."""

    def __init__(self, *away: str, ended: int = 0) -> None:
        self.calls: list[Any] = []
        self._away = frozenset(away)
        self._ended = ended

    async def refresh(self) -> frozenset[str]:
        self.calls.append("refresh")
        return self._away

    async def give_back_away(self) -> None:
        self.calls.append("give_back")

    async def unreachable(self, endpoints: Sequence[str], *, budget: float, limit: int = 500) -> int:
        self.calls.append((list(endpoints), budget, limit))
        return self._ended


@pytest.mark.parametrize("ended", [0, 7])
async def test_what_waited_longer_than_its_budget_for_an_endpoint_ends(ended: int) -> None:
    away, lines = Away("b", "a", ended=ended), Lines()
    duty = Endpoints(away, away, away, budget=9.0, log=lines.log)
    assert await duty.run_once() == (ended > 0)
    assert away.calls == ["refresh", "give_back", (["a", "b"], 9.0, 500)]
    assert [line["messages"] for line in lines.events()] == [ended] * (ended > 0)


async def test_messages_of_endpoints_that_are_back_are_looked_after_too() -> None:
    away = Away()
    assert not await Endpoints(away, away, away, budget=9.0, log=Lines().log).run_once()
    assert away.calls == ["refresh", "give_back"]


class Store:
    def __init__(self, *faults: OffloadError | None) -> None:
        self.puts: list[tuple[bytes, dict[str, Any]]] = []
        self.deleted: list[StoredObject] = []
        self._faults = list(faults)

    def _fail(self) -> None:
        if self._faults and (fault := self._faults.pop(0)) is not None:
            raise fault

    @property
    def store(self) -> "Store":
        return self

    async def keep(self, job_id: UUID, service: str, body: bytes, **more: Any) -> StoredObject:
        assert (job_id, service) == (JOB, "billing")
        self._fail()
        self.puts.append((body, more))
        return make_stored(body)

    async def delete(self, objects: Sequence[StoredObject]) -> None:
        self._fail()
        self.deleted += objects

    async def delete_each(self, objects: Sequence[StoredObject]) -> list[OffloadError | None]:
        answers = [self._faults.pop(0) if self._faults else None for _ in objects]
        self.deleted += [stored for stored, answer in zip(objects, answers, strict=True) if answer is None]
        return answers


class Objects:
    """The ledger's side of both duties."""

    def __init__(self, *bodies: bytes, wanted: bool = True) -> None:
        headers = b"Content-Type: text/csv\r\ncontent-disposition: attachment"
        self.waiting = [Unmoved(JOB, "billing", "/orders", PARTNER, headers, body) for body in bodies]
        self.doomed = [KnownObject(JOB, "billing", make_stored(body).dump()) for body in bodies]
        self.named: list[bytes] = []
        self.forgotten: list[KnownObject] = []
        self.later: list[KnownObject] = []
        self._wanted = wanted

    async def unmoved(self, limit: int = 100) -> Sequence[Unmoved]:
        assert limit == 100
        return self.waiting

    async def moved(self, job_id: UUID, service: str, stored: bytes) -> bool:
        assert (job_id, service) == (JOB, "billing")
        self.named.append(stored)
        return self._wanted

    async def over(self) -> Sequence[KnownObject]:
        return self.doomed

    async def deleted(self, objects: Sequence[KnownObject]) -> int:
        self.forgotten += objects
        return len(objects)

    async def put_off(self, objects: Sequence[KnownObject]) -> None:
        self.later += objects


def offload(objects: Objects, store: Store, lines: Lines) -> Offload:
    shapes = Shapes(Shape(99), {PARTNER: Shape(9, "file")})
    return Offload(objects, cast("Bodies", store), shapes=shapes, log=lines.log)


async def test_small_bodies_are_stored_first_and_named_next() -> None:
    objects, store, lines = Objects(b"1", b"2"), Store(), Lines()
    assert await offload(objects, store, lines).run_once()
    assert [body for body, _ in store.puts] == [b"1", b"2"]
    headers = b"Content-Type: text/csv\r\ncontent-disposition: attachment"
    assert store.puts[0][1] == {"headers": headers, "route": "/orders", "style": "file"}
    assert [StoredObject.load(stored) for stored in objects.named] == [make_stored(b"1"), make_stored(b"2")]
    assert [(line["event"], line["bodies"]) for line in lines.events()] == [("body.moved", 2)]


async def test_nothing_to_move_is_no_work() -> None:
    assert not await offload(Objects(), Store(), Lines()).run_once()


async def test_a_copy_that_nobody_wants_is_removed() -> None:
    objects, store = Objects(b"1", wanted=False), Store()
    await offload(objects, store, Lines()).run_once()
    assert store.deleted == [make_stored(b"1")]


async def test_a_store_that_is_away_is_asked_once_a_look() -> None:
    objects, store, lines = Objects(b"1", b"2"), Store(OffloadUnavailable("away")), Lines()
    assert not await offload(objects, store, lines).run_once()
    assert (store.puts, objects.named) == ([], [])
    assert lines.names() == ["store.unavailable"]


async def test_a_body_that_the_store_refuses_does_not_keep_the_others() -> None:
    objects, store, lines = Objects(b"1", b"2"), Store(REFUSED), Lines()
    assert not await offload(objects, store, lines).run_once()
    assert [body for body, _ in store.puts] == [b"2"]


def prune(objects: Objects, store: Store, lines: Lines) -> PruneObjects:
    return PruneObjects(objects, cast("ObjectStore", store), over=objects.over, log=lines.log)


async def test_objects_that_are_over_are_removed_before_they_are_forgotten() -> None:
    objects, store, lines = Objects(b"1", b"2"), Store(), Lines()
    assert await prune(objects, store, lines).run_once()
    assert store.deleted == [make_stored(b"1"), make_stored(b"2")]
    assert objects.forgotten == objects.doomed
    assert not await prune(Objects(), store, lines).run_once()


async def test_an_object_that_the_store_is_away_for_is_not_forgotten_and_comes_again() -> None:
    objects, lines = Objects(b"1", b"2"), Lines()
    assert not await prune(objects, Store(OffloadUnavailable("away")), lines).run_once()
    assert (objects.forgotten, objects.later) == (objects.doomed[1:], [])
    assert lines.names() == ["store.unavailable", "objects.deleted"]


async def test_an_object_that_the_store_refuses_to_remove_keeps_no_other() -> None:
    objects, store, lines = Objects(b"1", b"2", b"3", b"4"), Store(None, REFUSED, REFUSED), Lines()
    assert await prune(objects, store, lines).run_once()
    assert objects.forgotten == [objects.doomed[0], objects.doomed[3]]
    assert objects.later == objects.doomed[1:3]
    told, deleted = lines.events()
    assert (told["event"], told["bucket"], told["error"], told["objects"]) == ("store.unavailable", "results", "no", 2)
    assert (deleted["event"], deleted["objects"]) == ("objects.deleted", 2)


async def test_a_batch_that_the_store_refuses_whole_lets_the_next_one_come() -> None:
    objects, lines = Objects(b"1"), Lines()
    assert await prune(objects, Store(REFUSED), lines).run_once()
    assert (objects.forgotten, objects.later) == ([], objects.doomed)
    assert lines.names() == ["store.unavailable"]
