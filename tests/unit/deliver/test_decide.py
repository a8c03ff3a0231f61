"""What follows from each answer of a webhook: every status."""

import orjson
import pytest

from sidecar.deliver.decide import Delivered, Rejected, SilenceRule, Silent, decide
from sidecar.model.reasons import DeliveryReason as Reason
from sidecar.outbound.requests import Failure, FailureKind, Reply
from tests.unit.builders import make_reply

RULE = SilenceRule()
SILENT = {
    408: Reason.REQUEST_TIMEOUT,
    429: Reason.TOO_MANY_REQUESTS,
    502: Reason.BAD_GATEWAY,
    503: Reason.UNAVAILABLE,
    504: Reason.GATEWAY_TIMEOUT,
}
REJECTED = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    410: Reason.GONE,
    413: Reason.TOO_LARGE,
    415: Reason.UNSUPPORTED_TYPE,
}
FAILURES = {
    FailureKind.DNS: Reason.DNS,
    FailureKind.CONNECT: Reason.CONNECT,
    FailureKind.TLS: Reason.TLS,
    FailureKind.POOL: Reason.TIMEOUT,
    FailureKind.TIMEOUT_CONNECT: Reason.TIMEOUT,
    FailureKind.TIMEOUT: Reason.TIMEOUT,
    FailureKind.RESET: Reason.RESET,
    FailureKind.BAD_RESPONSE: Reason.BAD_RESPONSE,
}


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_one_decision(status: int) -> None:
    decision = decide(make_reply(status), RULE)
    if status < 300:
        assert decision == Delivered(status)
    elif status in SILENT:
        assert decision == Silent(status, SILENT[status])
    elif status in REJECTED:
        assert decision == Rejected(status, REJECTED[status])
    else:
        by_class = {3: Reason.REDIRECT, 4: Reason.REJECTED, 5: Reason.SERVER_ERROR}
        assert decision == Rejected(status, by_class[status // 100])


@pytest.mark.parametrize("kind", list(FAILURES))
@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_is_worth_another_attempt(kind: FailureKind, *, sent: bool) -> None:
    assert decide(Failure(kind, sent=sent), RULE) == Silent(None, FAILURES[kind])


def test_what_may_not_be_called_is_not_called_again_by_itself() -> None:
    assert decide(Failure(FailureKind.EGRESS, sent=False), RULE) == Rejected(None, Reason.EGRESS)


def test_what_cannot_be_written_tells_nothing_of_the_webhook() -> None:
    assert decide(Failure(FailureKind.UNSENDABLE, sent=False), RULE) == Rejected(None, Reason.INTERNAL)


def test_every_failure_has_a_decision() -> None:
    assert {*FAILURES, FailureKind.EGRESS, FailureKind.UNSENDABLE} == set(FailureKind)


@pytest.mark.parametrize("code", ["101500", "101503", "101504", "101599", "303001"])
def test_a_gateway_whose_backend_is_silent_is_worth_another_attempt(code: str) -> None:
    assert decide(make_reply(500, body=orjson.dumps({"code": code})), RULE) == Silent(500, Reason.WSO2_FAULT)


@pytest.mark.parametrize("body", [b"", b'{"code": "900908"}', b'{"code": "101499"}', b"101503"])
def test_a_plain_500_is_not(body: bytes) -> None:
    assert decide(make_reply(500, body=body), RULE) == Rejected(500, Reason.SERVER_ERROR)


def test_a_success_that_broke_off_was_delivered_all_the_same() -> None:
    assert decide(Reply(200, (), b"", truncated=True, broken=FailureKind.RESET), RULE) == Delivered(200)


def test_which_statuses_are_silence_is_a_setting() -> None:
    rule = SilenceRule(statuses=frozenset({425, 500}))
    assert decide(make_reply(500), rule) == Silent(500, Reason.SERVER_ERROR)
    assert decide(make_reply(425), rule) == Silent(425, Reason.REJECTED)
    assert decide(make_reply(503), rule) == Rejected(503, Reason.UNAVAILABLE)


def test_faults_of_a_gateway_are_plain_500s_where_the_setting_says_so() -> None:
    answer = make_reply(500, body=b'{"code": "101503"}')
    assert decide(answer, SilenceRule(wso2_faults=False)) == Rejected(500, Reason.SERVER_ERROR)
