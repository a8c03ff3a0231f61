"""What follows from each answer of a service, and that after an unsure attempt no refusal closes an invocation."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.fanout.decide import (
    MAX_RETRY_AFTER,
    RETRY_DELAYS,
    Acknowledged,
    Answered,
    Decision,
    GiveUp,
    KeepWaiting,
    Refused,
    TryAgain,
    decide,
    not_again,
)
from sidecar.model.outcome import MessageKind, ResultStatus
from sidecar.model.reasons import InvocationReason as Reason
from sidecar.model.retry_after import retry_after
from sidecar.model.route import Completion, FailedWhen, ServiceCall
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import make_call, make_reply

LAST = len(RETRY_DELAYS)
FAULT = make_reply(500, body=orjson.dumps({"code": "101503"}))
CALLBACK, RESPONSE = make_call(), make_call(completion=Completion.RESPONSE)
NEVER, NEVER_RESPONSE = make_call(repeat=False), make_call(repeat=False, completion=Completion.RESPONSE)
COMPLETIONS = [make_call(completion=completion) for completion in Completion]

UNSENT = [Failure(kind, sent=False) for kind in FailureKind]
LOST = [Failure(kind, sent=True) for kind in FailureKind]
DOUBTFUL = [*LOST, *(make_reply(status) for status in (408, 502, 504)), FAULT]
BUSY = [make_reply(429), make_reply(503)]
SUCCESSES = [make_reply(status) for status in (200, 201, 202, 204, 299)]
OTHERS = [make_reply(status) for status in (300, 301, 304, 307, 400, 401, 403, 404, 409, 410, 413, 422, 500, 501, 505)]


def decided(
    call: ServiceCall, answer: Reply | Failure, *, attempts: int = 0, unsure: bool = False
) -> tuple[Decision, Reason | None]:
    decision = decide(call, answer, attempts=attempts, unsure=unsure)
    return decision, getattr(decision, "reason", None)


@pytest.mark.parametrize("answer", SUCCESSES)
@pytest.mark.parametrize("completion", [Completion.CALLBACK, Completion.NONE])
@pytest.mark.parametrize("unsure", [False, True])
def test_a_success_acknowledges(answer: Reply, completion: Completion, *, unsure: bool) -> None:
    call = make_call(completion=completion)
    assert decide(call, answer, attempts=9, unsure=unsure) == Acknowledged(answer.status)


@pytest.mark.parametrize("answer", OTHERS)
@pytest.mark.parametrize("completion", [Completion.CALLBACK, Completion.NONE])
def test_any_other_status_refuses_at_once_unless_unsure(answer: Reply, completion: Completion) -> None:
    call = make_call(completion=completion)
    assert decide(call, answer, attempts=0, unsure=False) == Refused(answer.status, Reason.REFUSED)
    assert decide(call, answer, attempts=0, unsure=True) == KeepWaiting(answer.status, Reason.REFUSED)


@pytest.mark.parametrize("answer", DOUBTFUL)
@pytest.mark.parametrize("call", COMPLETIONS)
def test_an_attempt_that_may_have_arrived_is_repeated_and_unsure(call: ServiceCall, answer: Reply | Failure) -> None:
    for attempts, delay in enumerate(RETRY_DELAYS):
        decision = decide(call, answer, attempts=attempts, unsure=False)
        assert isinstance(decision, TryAgain)
        assert (decision.delay, decision.unsure) == (delay, True)
    assert isinstance(decide(call, answer, attempts=LAST, unsure=False), KeepWaiting)


@pytest.mark.parametrize("answer", [*UNSENT, *BUSY])
@pytest.mark.parametrize("call", COMPLETIONS)
def test_an_attempt_that_certainly_started_nothing_is_repeated_then_refused(
    call: ServiceCall, answer: Reply | Failure
) -> None:
    for attempts, delay in enumerate(RETRY_DELAYS):
        decision = decide(call, answer, attempts=attempts, unsure=False)
        assert isinstance(decision, TryAgain)
        assert (decision.delay, decision.unsure) == (delay, False)
    assert isinstance(decide(call, answer, attempts=LAST, unsure=False), Refused)
    assert isinstance(decide(call, answer, attempts=LAST, unsure=True), KeepWaiting)


REASONS = [
    (Failure(FailureKind.DNS, sent=False), Reason.UNREACHABLE),
    (Failure(FailureKind.CONNECT, sent=False), Reason.UNREACHABLE),
    (Failure(FailureKind.TIMEOUT_CONNECT, sent=False), Reason.UNREACHABLE),
    (Failure(FailureKind.TIMEOUT, sent=True), Reason.ACK_TIMEOUT),
    (Failure(FailureKind.RESET, sent=True), Reason.RESET),
    (Failure(FailureKind.BAD_RESPONSE, sent=True), Reason.RESET),
    (make_reply(429), Reason.BUSY),
    (make_reply(503), Reason.BUSY),
    (make_reply(408), Reason.GATEWAY_FAULT),
    (make_reply(502), Reason.GATEWAY_FAULT),
    (make_reply(504), Reason.GATEWAY_FAULT),
    (FAULT, Reason.GATEWAY_FAULT),
]


@pytest.mark.parametrize(("answer", "reason"), REASONS)
@pytest.mark.parametrize("attempts", [0, LAST])
def test_each_silence_has_its_reason_and_keeps_its_status(
    answer: Reply | Failure, reason: Reason, attempts: int
) -> None:
    decision = decide(CALLBACK, answer, attempts=attempts, unsure=False)
    assert isinstance(decision, TryAgain | KeepWaiting | Refused)
    assert decision.reason is reason
    assert decision.status == (answer.status if isinstance(answer, Reply) else None)


@pytest.mark.parametrize("answer", [*UNSENT, *BUSY])
def test_a_service_that_is_not_retried_is_refused_at_once(answer: Reply | Failure) -> None:
    call = make_call(retry=False)
    assert isinstance(decide(call, answer, attempts=0, unsure=False), Refused)
    assert isinstance(decide(call, answer, attempts=0, unsure=True), KeepWaiting)


@pytest.mark.parametrize("answer", DOUBTFUL)
def test_a_service_that_must_not_be_called_twice_is_not(answer: Reply | Failure) -> None:
    assert isinstance(decide(NEVER, answer, attempts=0, unsure=False), KeepWaiting)
    decision = decide(NEVER_RESPONSE, answer, attempts=0, unsure=False)
    assert isinstance(decision, GiveUp)
    assert decision.reason is Reason.OUTCOME_UNKNOWN


def test_after_a_crash_it_is_not_called_again_either() -> None:
    assert not_again(NEVER) == KeepWaiting(None, Reason.RESET)
    assert not_again(NEVER_RESPONSE) == GiveUp(None, Reason.OUTCOME_UNKNOWN)


@pytest.mark.parametrize("answer", [*UNSENT, *BUSY])
def test_what_never_arrived_may_be_repeated_also_there(answer: Reply | Failure) -> None:
    assert isinstance(decide(NEVER, answer, attempts=0, unsure=False), TryAgain)


REPLIES = st.builds(
    Reply,
    st.integers(200, 599),
    st.lists(st.tuples(st.sampled_from([b"Retry-After", b"Date", b"x"]), st.binary(max_size=40))).map(tuple),
    st.binary(max_size=20) | st.just(FAULT.body),
    truncated=st.booleans(),
    broken=st.none() | st.sampled_from(FailureKind),
)
FAILURES = st.builds(Failure, st.sampled_from(FailureKind), sent=st.booleans())
CALLS = st.builds(
    make_call,
    completion=st.sampled_from(Completion),
    retry=st.booleans(),
    repeat=st.booleans(),
    failed_when=st.none() | st.just(FailedWhen(header=("x", "bad"), pointer="/a")),
)


@given(call=CALLS, answer=REPLIES | FAILURES, attempts=st.integers(0, 9), unsure=st.booleans())
def test_every_answer_has_a_decision_and_none_breaks_the_rules(
    call: ServiceCall, answer: Reply | Failure, attempts: int, *, unsure: bool
) -> None:
    decision = decide(call, answer, attempts=attempts, unsure=unsure)
    if unsure:  # no refusal closes it
        assert not isinstance(decision, Refused)
        assert not isinstance(decision, Answered) or 200 <= decision.status_code < 300
    if isinstance(decision, TryAgain):
        assert call.retry
        assert attempts < LAST
        assert 0 < decision.delay <= MAX_RETRY_AFTER
        assert call.repeat or not decision.unsure
    if isinstance(decision, Answered):
        assert call.completion is Completion.RESPONSE
    if isinstance(decision, Acknowledged):
        assert call.completion is not Completion.RESPONSE


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("unsure", [False, True])
def test_a_synchronous_success_is_the_result(status: int, *, unsure: bool) -> None:
    reply = make_reply(status, body=b"a;b", content_type="text/csv", server="x")
    assert decide(RESPONSE, reply, attempts=0, unsure=unsure) == Answered(
        status, ResultStatus.SUCCEEDED, MessageKind.DIRECT, b"content-type: text/csv", b"a;b"
    )


@pytest.mark.parametrize("status", [302, 400, 404, 409, 500, 501])
def test_a_synchronous_failure_goes_to_the_webhook_as_it_is_unless_unsure(status: int) -> None:
    reply = make_reply(status, body=b"no", content_type="text/plain")
    assert decide(RESPONSE, reply, attempts=0, unsure=False) == Answered(
        status, ResultStatus.FAILED, MessageKind.ERROR, b"content-type: text/plain", b"no"
    )
    assert decide(RESPONSE, reply, attempts=0, unsure=True) == KeepWaiting(status, Reason.REFUSED)


def test_a_response_that_is_too_large_is_given_up_unless_it_is_a_refusal_of_an_unsure_call() -> None:
    for status in (200, 400):
        large = Reply(status, (), b"", truncated=True)
        assert decided(RESPONSE, large) == (GiveUp(status, Reason.RESPONSE_TOO_LARGE), Reason.RESPONSE_TOO_LARGE)
    assert decide(RESPONSE, large, attempts=0, unsure=True) == KeepWaiting(400, Reason.REFUSED)
    assert decide(CALLBACK, Reply(200, (), b"", truncated=True), attempts=0, unsure=False) == Acknowledged(200)


def test_a_response_that_broke_off_is_in_doubt_an_acknowledgement_is_not() -> None:
    broken = Reply(200, (), b"", truncated=True, broken=FailureKind.RESET)
    assert decide(RESPONSE, broken, attempts=0, unsure=False) == TryAgain(
        RETRY_DELAYS[0], unsure=True, status=200, reason=Reason.RESET
    )
    assert decide(CALLBACK, broken, attempts=0, unsure=False) == Acknowledged(200)


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (FailedWhen(statuses=(207,)), ResultStatus.SUCCEEDED),
        (FailedWhen(statuses=(200,)), ResultStatus.FAILED),
        (FailedWhen(header=("x-out", "bad")), ResultStatus.FAILED),
        (FailedWhen(pointer="/error"), ResultStatus.FAILED),
        (FailedWhen(pointer="/missing"), ResultStatus.SUCCEEDED),
    ],
)
def test_a_rule_tells_failures_among_successes(rule: FailedWhen, status: ResultStatus) -> None:
    call = make_call(completion=Completion.RESPONSE, failed_when=rule)
    reply = make_reply(200, body=b'{"error": 1}', x_out="bad", server="Apach\xe9")  # not UTF-8, and no harm
    decision = decide(call, reply, attempts=0, unsure=False)
    assert isinstance(decision, Answered)
    assert decision.status is status


DATE = "Fri, 02 Jan 2026 03:04:05 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry_after": "7"}, 7.0),
        ({"Retry_After": " 7 "}, 7.0),
        ({"retry_after": "3600"}, MAX_RETRY_AFTER),
        ({"retry_after": "99999999999999"}, MAX_RETRY_AFTER),
        ({"retry_after": "-1"}, 0.0),
        ({"retry_after": "1.5"}, 0.0),
        ({"retry_after": "\xb2"}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({"retry_after": ""}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 GMT", "date": DATE}, 10.0),
        ({"retry_after": "Fri, 02 Jan 2026 04:04:15 GMT", "date": DATE}, MAX_RETRY_AFTER),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:00 GMT", "date": DATE}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 -0000", "date": DATE}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 GMT"}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 GMT", "date": "now"}, 0.0),
        ({"retry_after": "Fri, 02 Jan 99999999999999999999 03:04:15 GMT", "date": DATE}, 0.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 +99999999999999", "date": DATE}, 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(headers: dict[str, str], seconds: float) -> None:
    pairs = tuple((name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items())
    assert retry_after(pairs, longest=MAX_RETRY_AFTER) == seconds


def test_retry_after_moves_a_try_later_never_earlier() -> None:
    for asked, delay in (("20", 20.0), ("0", RETRY_DELAYS[1])):
        decision = decide(CALLBACK, make_reply(503, retry_after=asked), attempts=1, unsure=False)
        assert isinstance(decision, TryAgain)
        assert decision.delay == delay
