import pytest

from sidecar.gather.callback import read_callback
from sidecar.model.errors import ProblemError
from sidecar.model.outcome import MessageKind, Outcome, OutcomeKind, ResultStatus
from sidecar.model.route import FailedWhen
from tests.unit.builders import JOB

Raw = list[tuple[bytes, bytes]]
JSON = (b"Content-Type", b"application/json")
PROBLEM = (b"content-type", b"application/Problem+JSON; charset=utf-8")
SUCCEEDED, FAILED = ResultStatus.SUCCEEDED, ResultStatus.FAILED
DIRECT, ERROR, INDIRECT = MessageKind.DIRECT, MessageKind.ERROR, MessageKind.INDIRECT


def read(headers: Raw, body: bytes = b"{}", rule: FailedWhen | None = None) -> Outcome:
    return read_callback(JOB, "billing", headers=headers, body=body, rule=rule)


TABLE: dict[str, tuple[Raw, FailedWhen | None, ResultStatus, MessageKind]] = {
    "nothing said": ([JSON], None, SUCCEEDED, DIRECT),
    "no headers at all": ([], None, SUCCEEDED, DIRECT),
    "succeeded": ([(b"X-Result-Status", b" Succeeded ")], None, SUCCEEDED, DIRECT),
    "failed": ([JSON, (b"x-result-status", b"failed")], None, FAILED, ERROR),
    "a problem document": ([PROBLEM], None, FAILED, ERROR),
    "a problem document that succeeded": ([PROBLEM, (b"x-result-status", b"succeeded")], None, SUCCEEDED, DIRECT),
    "indirect": ([(b"x-result-kind", b"Indirect")], None, SUCCEEDED, INDIRECT),
    "a failure is never indirect": ([PROBLEM, (b"x-result-kind", b"indirect")], None, FAILED, ERROR),
    "another kind": ([(b"x-result-kind", b"other")], None, SUCCEEDED, DIRECT),
    "two kinds": ([(b"x-result-kind", b"indirect")] * 2, None, SUCCEEDED, DIRECT),
    "a rule that holds": ([JSON], FailedWhen(pointer=""), FAILED, ERROR),
    "a rule that does not hold": ([JSON], FailedWhen(pointer="/error"), SUCCEEDED, DIRECT),
    "a rule about a header": (
        [(b"X-Out", b"bad"), (b"server", b"\xff")],
        FailedWhen(header=("x-out", "bad")),
        FAILED,
        ERROR,
    ),
    "a rule about a status never holds": ([JSON], FailedWhen(statuses=(200, 202)), SUCCEEDED, DIRECT),
    "what the service says counts more": (
        [(b"x-result-status", b"succeeded")],
        FailedWhen(pointer=""),
        SUCCEEDED,
        DIRECT,
    ),
}


@pytest.mark.parametrize(("headers", "rule", "status", "kind"), TABLE.values(), ids=TABLE.keys())
def test_a_callback_is_told_success_from_failure(
    headers: Raw, rule: FailedWhen | None, status: ResultStatus, kind: MessageKind
) -> None:
    outcome = read(headers, rule=rule)
    assert (outcome.status, outcome.kind) == (status, kind)
    assert outcome.outcome is OutcomeKind.RESULT
    assert outcome.reason == (None if status is SUCCEEDED else "service_failed")
    assert outcome.fence is None  # whoever owns the row: the first outcome stands


def test_the_body_and_what_describes_it_are_kept_byte_for_byte() -> None:
    headers = [JSON, (b"Content-Encoding", b"gzip"), (b"content-length", b"2"), (b"x-result-status", b"succeeded")]
    outcome = read(headers, body=b"\x1f\x8b\x00")
    assert outcome.body == b"\x1f\x8b\x00"
    assert outcome.headers == b"Content-Type: application/json\r\nContent-Encoding: gzip"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([b""], "result_status_invalid"),
        ([b"SPY"], "result_status_invalid"),
        ([b"partial"], "result_status_invalid"),
        ([b"succeeded, failed"], "result_status_invalid"),
        ([b"succeeded", b"succeeded"], "result_status_invalid"),
        ([b"uploaded", b"failed"], "result_status_invalid"),
        ([b"\xff"], "result_status_invalid"),
    ],
)
def test_a_status_that_does_not_exist_is_refused(values: list[bytes], code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read([(b"x-result-status", value) for value in values])
    assert (caught.value.problem.status, caught.value.problem.code) == (400, code)
    assert "SPY" not in caught.value.problem.detail
