from collections.abc import Sequence

import orjson
import pytest

from sidecar.ledger import OpenInvocation
from sidecar.model.outcome import Outcome, OutcomeKind, Recorded, Verdict
from sidecar.model.route import Completion
from sidecar.schedule.expire import Expire, late_outcome, parked_outcome
from tests.unit.builders import Lines, make_call, make_open_invocation

RESPONSE = make_call(completion=Completion.RESPONSE)


class Ledger:
    def __init__(
        self,
        late: Sequence[OpenInvocation] = (),
        parked: Sequence[OpenInvocation] = (),
        verdict: Verdict = Verdict.WON,
    ) -> None:
        self.late, self.parked = late, parked
        self.outcomes: list[Outcome] = []
        self.verdict = verdict

    async def expired(self, limit: int) -> Sequence[OpenInvocation]:
        return self.late[:limit]

    async def parked_invocations(self, limit: int) -> Sequence[OpenInvocation]:
        return self.parked[:limit]

    async def record(self, outcome: Outcome) -> Recorded:
        self.outcomes.append(outcome)
        return Recorded(self.verdict)


def rows(count: int) -> list[OpenInvocation]:
    return [make_open_invocation(service=f"s{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (make_open_invocation(started=False), "not_invoked"),
        (make_open_invocation(), "deadline_exceeded"),
        (make_open_invocation(acknowledged=False, unsure=True), "deadline_exceeded"),
        (make_open_invocation(call=RESPONSE, unsure=True), "outcome_unknown"),
        (make_open_invocation(call=RESPONSE, unsure=False), "deadline_exceeded"),
        (make_open_invocation(call=RESPONSE, started=False), "not_invoked"),
    ],
)
def test_a_passed_deadline_has_its_reason_and_the_last_status(row: OpenInvocation, reason: str) -> None:
    outcome = late_outcome(row)
    assert (outcome.outcome, outcome.reason, outcome.status_code) == (OutcomeKind.DEADLINE, reason, 202)
    assert outcome.fence is None  # whoever owns the row
    assert orjson.loads(outcome.body)["reason"] == reason


def test_parked_work_ends_in_an_error() -> None:
    outcome = parked_outcome(make_open_invocation())
    assert (outcome.outcome, outcome.reason) == (OutcomeKind.ERROR, "crashed_workers")


@pytest.mark.parametrize(("late", "parked", "again"), [(0, 0, False), (1, 1, False), (2, 2, True), (4, 0, True)])
async def test_every_row_is_ended_and_a_full_batch_means_more(late: int, parked: int, *, again: bool) -> None:
    ledger, lines = Ledger(rows(late), rows(parked)), Lines()
    assert await Expire(ledger, batch=4, log=lines.log).run_once() is again
    assert [outcome.outcome for outcome in ledger.outcomes] == ["deadline"] * late + ["error"] * parked
    assert lines.names() == ["deadline.passed"] * late + ["work.parked"] * parked


@pytest.mark.parametrize("verdict", [Verdict.OTHER, Verdict.SAME, Verdict.EXPIRED, Verdict.UNKNOWN])
async def test_nothing_is_told_of_what_had_ended_before(verdict: Verdict) -> None:
    ledger, lines = Ledger(rows(2), rows(1), verdict), Lines()
    await Expire(ledger, batch=9, log=lines.log).run_once()
    assert len(ledger.outcomes) == 3
    assert lines.names() == []
