"""Which stored bodies are removed again, and which large callbacks are worth reading."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest

from sidecar.gather.large import Comparison, LargeCallbacks, Ledger, may_be_repeated, offered_name
from sidecar.model.delivery import Part
from sidecar.model.errors import LedgerUnavailable
from sidecar.model.outcome import MessageKind, Recorded, ResultStatus, Verdict
from sidecar.model.shape import Shape, Shapes
from sidecar.model.stored import StoredObject
from sidecar.offload.bodies import Bodies
from tests.unit.builders import JOB, NOW, make_stored

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
