"""Which stored bodies are removed again, and which large callbacks are worth reading."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest

from sidecar.gather.large import Arrival, Compared, Comparison, LargeCallbacks, Ledger, may_be_repeated, offered_name
from sidecar.model.delivery import Part
from sidecar.model.errors import LedgerUnavailable, ProblemError
from sidecar.model.outcome import MessageKind, Recorded, ResultStatus, Verdict
from sidecar.model.route import ServiceCall
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from tests.unit.builders import JOB, NOW, make_call, make_stored

MINE = make_stored()
ANOTHERS = replace(MINE, key="sidecar/another")


class Standing:
    """A ledger that knows one outcome."""

    def __init__(self, stored: StoredObject | None) -> None:
        self._stored = stored

    async def parts(self, job_id: UUID) -> Sequence[Part]:
        assert job_id == JOB
        if self._stored is None:
            raise LedgerUnavailable("away")
        return [
            Part(
                service="billing",
                outcome="result",
                status=ResultStatus.SUCCEEDED,
                kind=MessageKind.DIRECT,
                reason=None,
                headers=b"",
                body=b"",
                finished_at=NOW,
                stored=self._stored.dump(),
            )
        ]


class Removed:
    by_route = False

    def __init__(self) -> None:
        self.objects: list[StoredObject] = []

    async def drop(self, stored: StoredObject) -> None:
        self.objects.append(stored)


@pytest.mark.parametrize(
    ("verdict", "stands", "removed"),
    [
        (Verdict.WON, MINE, []),
        (Verdict.SAME, MINE, []),  # its first commit happened, and only the answer was lost
        (Verdict.SAME, None, []),  # nobody knows
        (Verdict.SAME, ANOTHERS, [MINE]),
        (Verdict.OTHER, ANOTHERS, [MINE]),
        (Verdict.EXPIRED, ANOTHERS, [MINE]),
        (Verdict.FENCED, ANOTHERS, [MINE]),
    ],
)
async def test_a_loser_removes_its_own_object_unless_the_ledger_may_name_it(
    verdict: Verdict, stands: StoredObject | None, removed: list[StoredObject]
) -> None:
    bodies = Removed()
    large = LargeCallbacks(
        cast("Ledger", Standing(stands)), cast("Bodies", bodies), shapes=Shapes(Shape(9)), longest=60.0
    )
    await large.drop_loser(JOB, "billing", stored=MINE, recorded=Recorded(verdict))
    assert bodies.objects == removed


@pytest.mark.parametrize(
    ("over", "worth"),
    [
        ({}, True),
        ({"digest": None}, False),
        ({"standing": "refused"}, False),
        ({"verdict": Verdict.EXPIRED, "standing": "deadline"}, False),
        ({"verdict": Verdict.UNKNOWN, "standing": None}, False),
    ],
)
def test_only_a_callback_that_may_be_the_one_that_stands_is_worth_reading(over: dict[str, Any], worth: bool) -> None:  # noqa: FBT001
    standing = Recorded(Verdict.OTHER, "result", NOW, b"digest")
    assert may_be_repeated(replace(standing, **over)) is worth


async def test_a_comparison_tells_the_digest_of_what_it_was_given() -> None:
    comparison = Comparison(Recorded(Verdict.OTHER))
    await comparison.write(b'{"total"')
    await comparison.write(b": 1}")
    compared = await comparison.finish()
    assert (compared.size, compared.sha256) == (MINE.size, MINE.sha256)


def test_each_token_names_an_upload_of_its_own() -> None:
    assert offered_name("p1") == offered_name("p1") != offered_name("p2")


class Opened:
    """An upload, and where it was opened."""

    by_route = False

    def __init__(self) -> None:
        self.aborted = False

    def open(self, job_id: UUID, service: str, **_: Any) -> "Opened":
        assert (job_id, service) == (JOB, "billing")
        return self

    async def abort(self) -> None:
        self.aborted = True

    async def adopt(self, job_id: UUID, service: str, *, random: str, route: str | None) -> StoredObject | None:
        """Nothing was uploaded."""


class Waiting:
    """A ledger with an invocation that is open, unless something stands."""

    def __init__(self, standing: Recorded | None = None) -> None:
        self.ended: list[datetime] = []
        self._standing = standing

    async def receiving(self, job_id: UUID, service: str, *, seconds: float) -> datetime | Recorded:
        assert (job_id, service, seconds) == (JOB, "billing", 60.0)
        return NOW

    async def receiving_ended(self, job_id: UUID, service: str, *, until: datetime) -> None:
        assert (job_id, service) == (JOB, "billing")
        self.ended.append(until)

    async def standing(self, job_id: UUID, service: str) -> Recorded | None:
        assert (job_id, service) == (JOB, "billing")
        return self._standing

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        assert (job_id, service) == (JOB, "billing")
        return make_call(offer_upload=True)


def make_large(ledger: Waiting, bodies: Opened) -> LargeCallbacks:
    return LargeCallbacks(cast("Ledger", ledger), cast("Bodies", bodies), shapes=Shapes(Shape(9)), longest=60.0)


async def test_a_callback_that_breaks_off_gives_up_the_hold_that_it_was_given() -> None:
    ledger, bodies = Waiting(), Opened()
    arrival = await make_large(ledger, bodies).begin(JOB, "billing", headers=[])
    assert isinstance(arrival, Arrival)
    assert ledger.ended == []
    await arrival.abort()
    assert (bodies.aborted, ledger.ended) == (True, [NOW])


async def test_an_upload_that_is_missing_is_compared_with_what_stands() -> None:
    standing = Recorded(Verdict.OTHER, "result", NOW, b"digest")
    large = make_large(Waiting(standing), Opened())
    assert await large.adopt(JOB, "billing", token="p1") == Compared(b"", 0, standing)
    with pytest.raises(ProblemError) as caught:
        await make_large(Waiting(), Opened()).adopt(JOB, "billing", token="p1")
    assert caught.value.problem.code == "upload_missing"
