import asyncio
from dataclasses import replace
from typing import cast
from uuid import UUID

import pytest

from sidecar.gather.large import Compared, LargeCallbacks
from sidecar.gather.stage import Gather, problem_of
from sidecar.model.callback_token import CallbackTokens, TokenKind
from sidecar.model.errors import LedgerError, LedgerRejected, LedgerUnavailable, ProblemError
from sidecar.model.outcome import Outcome, Recorded, ResultStatus, Verdict, stored_digest
from sidecar.model.route import FailedWhen, ServiceCall
from sidecar.model.stored import StoredObject
from sidecar.telemetry.metrics import Metrics
from tests.unit.builders import JOB, NOW, Lines, make_call, make_stored

TOKENS = CallbackTokens([b"secret"])
TOKEN = TOKENS.make(JOB, "billing", TokenKind.PLAIN)
STORED = make_stored()
UPLOADED = replace(STORED, sha256=b"")  # nobody here read it


class Ledger:
    def __init__(self, answer: Recorded | LedgerError, call: ServiceCall | BaseException | None = None) -> None:
        self.outcomes: list[Outcome] = []
        self.asked = 0
        self._answer = answer
        self._call = call

    async def record(self, outcome: Outcome) -> Recorded:
        self.outcomes.append(outcome)
        if isinstance(self._answer, LedgerError):
            raise self._answer
        return self._answer

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        assert (job_id, service) == (JOB, "billing")
        self.asked += 1
        if isinstance(self._call, BaseException):
            raise self._call
        return self._call


class Large:
    """Where large bodies go: what was adopted, and what was removed again."""

    def __init__(self, adopted: StoredObject | Compared) -> None:
        self.dropped: list[StoredObject] = []
        self.offered: list[str] = []
        self._adopted = adopted

    async def adopt(self, job_id: UUID, service: str, *, token: str) -> StoredObject | Compared:
        assert (job_id, service, token) == (JOB, "billing", TOKEN)
        return self._adopted

    async def drop(self, stored: StoredObject) -> None:
        self.dropped.append(stored)

    async def drop_loser(self, job_id: UUID, service: str, *, stored: StoredObject, recorded: Recorded) -> None:
        assert (job_id, service) == (JOB, "billing")
        if recorded.verdict is not Verdict.WON:
            self.dropped.append(stored)

    async def drop_offered(self, job_id: UUID, service: str, *, token: str) -> None:
        assert (job_id, service) == (JOB, "billing")
        self.offered.append(token)


class Bench:
    def __init__(
        self,
        answer: Recorded | LedgerError | Verdict = Verdict.WON,
        call: ServiceCall | BaseException | None = None,
        *,
        forgotten: bool = False,
        adopted: StoredObject | Compared = STORED,
    ) -> None:
        self.large = Large(adopted)
        self.ledger = Ledger(Recorded(answer) if isinstance(answer, Verdict) else answer, call)
        self.lines = Lines()
        self.gather = Gather(
            ledger=self.ledger,
            tokens=TOKENS,
            log=self.lines.log,
            metrics=Metrics(),
            forgotten=lambda job_id: forgotten and job_id == JOB,
            large=cast("LargeCallbacks", self.large),
        )

    async def receive(self, kind: TokenKind = TokenKind.PLAIN, body: bytes | StoredObject = b"{}") -> None:
        await self.gather.receive(JOB, "billing", kind=kind, headers=[(b"content-type", b"text/csv")], body=body)

    async def uploaded(self) -> int:
        """Say that the result was uploaded; the status of the answer."""
        headers = [(b"x-result-status", b"uploaded")]
        try:
            await self.gather.receive(JOB, "billing", kind=TokenKind.PLAIN, headers=headers, body=b"", token=TOKEN)
        except ProblemError as error:
            return error.problem.status
        return 202


def test_a_genuine_address_names_its_job() -> None:
    assert Bench().gather.authenticate(str(JOB), "billing", TOKEN) == (JOB, TokenKind.PLAIN)


ADDRESSES = {
    "a job that is none": ("job", "billing", TOKEN),
    "no job": ("", "billing", TOKEN),
    "another job": (str(UUID(int=JOB.int + 1)), "billing", TOKEN),
    "the job without hyphens": (JOB.hex, "billing", TOKEN),
    "the job in braces": (f"{{{JOB}}}", "billing", TOKEN),
    "the job as a URN": (f"urn:uuid:{JOB}", "billing", TOKEN),
    "another service": (str(JOB), "stock", TOKEN),
    "no service": (str(JOB), "", TOKEN),
    "a service that is no text": (str(JOB), "billing\udcff", TOKEN),
    "a job that is no text": ("\udcff", "billing", TOKEN),
    "no token": (str(JOB), "billing", ""),
    "another kind": (str(JOB), "billing", "r" + TOKEN[1:]),
    "more than the token": (str(JOB), "billing", TOKEN + "?"),
}


@pytest.mark.parametrize(("job", "service", "token"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_every_other_address_is_unknown_alike_and_told_without_its_token(job: str, service: str, token: str) -> None:
    bench = Bench()
    with pytest.raises(ProblemError) as caught:
        bench.gather.authenticate(job, service, token)
    problem = caught.value.problem
    assert (problem.status, problem.code, problem.extra) == (404, "callback_unknown", {})
    (line,) = bench.lines.events()
    assert (line["event"], line["level"]) == ("callback.refused", "warning")
    assert token == "" or token not in str(line)


async def test_a_callback_is_stored_before_it_is_acknowledged_and_told_without_its_body() -> None:
    bench = Bench()
    await bench.receive(body=b"SPY")
    (outcome,) = bench.ledger.outcomes
    assert (outcome.job_id, outcome.service, outcome.body) == (JOB, "billing", b"SPY")
    (line,) = bench.lines.events()
    assert (line["event"], line["verdict"], line["size"]) == ("callback.received", "won", 3)
    assert "SPY" not in str(line)
    assert bench.ledger.asked == 0  # the hot path looks nothing up


async def test_a_rule_is_looked_up_where_the_token_says_there_is_one() -> None:
    bench = Bench(call=make_call(failed_when=FailedWhen(pointer="/error")))
    await bench.receive(TokenKind.RULED, body=b'{"error": 1}')
    assert bench.ledger.outcomes[0].status is ResultStatus.FAILED


async def test_an_invocation_that_is_gone_is_unknown() -> None:
    bench = Bench(call=None)
    with pytest.raises(ProblemError) as caught:
        await bench.receive(TokenKind.RULED)
    assert caught.value.problem.code == "callback_unknown"
    assert bench.ledger.outcomes == []


VERDICTS = {
    Verdict.WON: None,
    Verdict.SAME: None,
    Verdict.EXPIRED: (410, "callback_too_late"),
    Verdict.UNKNOWN: (404, "callback_unknown"),
    Verdict.OTHER: (409, "callback_conflict"),
    Verdict.FENCED: (503, "database_unavailable"),
}


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_each_verdict_has_its_answer(verdict: Verdict) -> None:
    problem = problem_of(Recorded(verdict))
    assert (None if problem is None else (problem.status, problem.code)) == VERDICTS[verdict]
    if problem is None:
        await Bench(verdict).receive()
    else:
        with pytest.raises(ProblemError) as caught:
            await Bench(verdict).receive()
        assert caught.value.problem == problem


def test_only_an_answer_that_asks_for_a_repetition_says_when() -> None:
    for verdict in Verdict:
        problem = problem_of(Recorded(verdict))
        assert problem is None or ("retry-after" in problem.headers) == (problem.status == 503)


def test_a_conflict_tells_what_stands_since_when() -> None:
    problem = problem_of(Recorded(Verdict.OTHER, "result", NOW))
    assert problem is not None
    assert problem.extra == {"outcome": "result", "since": "2026-01-02T03:04:05+00:00"}


async def test_what_the_database_cannot_store_is_not_asked_for_again() -> None:
    bench = Bench(LedgerRejected("bad"))
    with pytest.raises(ProblemError) as caught:
        await bench.receive()
    assert caught.value.problem.status == 404
    (line,) = bench.lines.events()
    assert (line["event"], line["job_id"], line["reason"]) == ("callback.refused", str(JOB), "bad")


async def test_a_callback_of_a_job_that_is_kept_no_longer_is_unknown_and_asks_nobody() -> None:
    bench = Bench(forgotten=True)
    with pytest.raises(ProblemError) as caught:
        await bench.receive()
    assert (caught.value.problem.status, bench.ledger.outcomes) == (404, [])
    (line,) = bench.lines.events()
    assert (line["event"], line["verdict"]) == ("callback.received", "unknown")


async def test_an_outage_is_passed_on() -> None:
    with pytest.raises(LedgerUnavailable):
        await Bench(LedgerUnavailable("away")).receive()


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), asyncio.CancelledError(), None])
async def test_a_stored_body_whose_rule_cannot_be_looked_up_is_removed(fault: BaseException | None) -> None:
    bench = Bench(call=fault)
    with pytest.raises((LedgerUnavailable, asyncio.CancelledError, ProblemError)):
        await bench.receive(TokenKind.RULED, STORED)
    assert (bench.large.dropped, bench.ledger.outcomes) == ([STORED], [])


async def test_a_stored_body_of_which_nobody_knows_whether_it_was_recorded_stays() -> None:
    bench = Bench(LedgerUnavailable("away"), make_call())
    with pytest.raises(LedgerUnavailable):
        await bench.receive(TokenKind.RULED, STORED)
    assert bench.large.dropped == []


@pytest.mark.parametrize(
    ("verdict", "status", "removed"),
    [
        (Verdict.WON, 202, True),
        (Verdict.SAME, 202, True),
        (Verdict.OTHER, 409, True),
        (Verdict.EXPIRED, 410, True),
        (Verdict.UNKNOWN, 404, False),  # where it lay is known no more: it goes with its day
        (Verdict.FENCED, 503, False),  # the repetition needs it
    ],
)
async def test_what_was_uploaded_is_removed_once_its_callback_was_answered_for_good(
    verdict: Verdict,
    status: int,
    removed: bool,  # noqa: FBT001
) -> None:
    bench = Bench(verdict, adopted=UPLOADED)
    assert await bench.uploaded() == status
    assert bench.large.offered == [TOKEN] * removed


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Recorded(Verdict.OTHER, "result", NOW, stored_digest("succeeded", b"")), 202),
        (Recorded(Verdict.OTHER, "result", NOW, stored_digest("failed", b"")), 409),
        (Recorded(Verdict.OTHER, "result", NOW, stored_digest("succeeded", STORED.sha256)), 409),
        (Recorded(Verdict.OTHER, "cancelled", NOW), 409),
        (Recorded(Verdict.EXPIRED, "deadline", NOW), 410),
        (Recorded(Verdict.UNKNOWN), 404),
    ],
)
async def test_an_upload_that_was_taken_before_is_the_same_callback_again(standing: Recorded, status: int) -> None:
    bench = Bench(adopted=Compared(b"", 0, standing))
    assert await bench.uploaded() == status
    assert bench.ledger.outcomes == []
